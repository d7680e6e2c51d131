// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import JobLifecycle

/// slurmctld was killed right after the last task of an array had ended, and its saved state is from before: the array's
/// record, which that task had taken, is back.
@Suite("An array's record that slurmctld takes back")
struct ArrayRecordTests {
    private let rest = JobKey(7, .rest)

    private func task(_ task: UInt32, _ id: UInt32, at time: Int64) -> JobObservation {
        seen(.completed, .plugin, key: JobKey(7, .task(task)), id: id, start: 490, end: 495, at: time)
    }

    /// Submitted, run to its end, and forgotten by slurmctld: it is 500 s.
    private func takenBack() async throws -> Bench {
        let bench = try Bench()
        try await bench.see(
            seen(.pending, key: rest, at: 489_000_000, tasks: "1-3"), task(1, 8, at: 495_000_000),
            task(2, 9, at: 495_000_000), task(3, 7, at: 495_500_000))
        #expect(try await bench.ledger.counts().openRuns == 0)
        return bench
    }

    private let before = [
        "7_[] pending", "7_1 running", "7_1 ended COMPLETED final", "7_2 running", "7_2 ended COMPLETED final",
        "7_3 running", "7_3 ended COMPLETED final",
    ]

    private func cancelled(_ source: JobObservation.Source = .plugin, at time: Int64 = 510_000_000) -> JobObservation {
        seen(.cancelled, source, key: rest, start: 510, end: 510, at: time, tasks: "1-3")
    }

    @Test(
        "cancelled before it runs again, it has an end", arguments: [true, false],
        [JobObservation.Source.plugin, .controller])
    func cancelledAgain(seenPending: Bool, source: JobObservation.Source) async throws {
        let bench = try await takenBack()
        if seenPending { try await bench.see(seen(.pending, key: rest, at: 505_000_000, tasks: "1-3")) }
        try await bench.see(cancelled(source))
        #expect(try await bench.story() == before + ["7_[] ended CANCELLED final"])
        #expect(try await bench.ledger.verify().isEmpty)
    }

    @Test("slurmdbd's rows of the task that had the number do not end it, slurmdbd's row of its own end does")
    func lateRow() async throws {
        let bench = try await takenBack()
        let fake = FakeScheduler()
        let waiting = seen(.pending, key: rest, at: 505_000_000, tasks: "1-3")
        try await bench.see(waiting)
        var half = seen(.completed, .accounting, restarts: nil, start: 490, end: 495, at: 506_000_000)
        half.details = JobDetails()
        let whole = seen(.completed, .accounting, key: rest, restarts: nil, start: 490, end: 495, at: 506_000_000)
        let last = seen(
            .completed, .accounting, key: JobKey(7, .task(3)), id: 7, restarts: nil, start: 490, end: 495,
            at: 506_000_000)
        try await bench.see(half, whole, last)
        #expect(try await bench.story() == before)
        // The doubt that they raise is settled by slurmctld.
        fake.state.list = [waiting]
        fake.state.accounting = [half, whole, last]
        let follower = HintFollower(ledger: bench.ledger, scheduler: fake, logger: quiet)
        while try await follower.followDue() {}
        #expect(try await bench.story() == before)
        #expect(try await bench.ledger.counts().openRuns == 1)
        // Cancelled while the agent was away.
        try await bench.see(cancelled(.accounting))
        #expect(try await bench.story() == before + ["7_[] ended CANCELLED final"])
    }

    @Test("an answer from before the last task had the number, and slurmdbd, take nothing back")
    func overtaken() async throws {
        let bench = try await takenBack()
        try await bench.see(
            seen(.pending, key: rest, at: 494_000_000, tasks: "3"), cancelled(at: 495_400_000), cancelled(.accounting))
        #expect(try await bench.story() == before)
        #expect(try await bench.ledger.counts().openRuns == 0)
    }

    @Test("when its tasks run again, they take the record again")
    func runsAgain() async throws {
        let bench = try await takenBack()
        try await bench.see(
            seen(.pending, key: rest, at: 505_000_000, tasks: "1-3"),
            // A spooled record of the first time.
            task(3, 7, at: 495_500_000))
        #expect(try await bench.ledger.counts().openRuns == 1)
        try await bench.see(
            seen(.running, key: JobKey(7, .task(3)), id: 7, start: 520, at: 520_000_000))
        #expect(try await bench.story() == before)
        #expect(try await bench.ledger.counts().openRuns == 0)
    }
}
