// SPDX-License-Identifier: GPL-3.0-or-later

import GRDB
import Testing

@testable import JobLifecycle

@Suite("Jobs and their runs in the ledger")
struct LedgerFoldTests {
    @Test("a requeue: the old run is over, the job is not; one final transition")
    func requeue() async throws {
        let bench = try Bench()
        try await bench.see(
            seen(.pending), seen(.running, start: 490), seen(.pending, .plugin, requeueing: true, start: 490, end: 495),
            seen(.pending, restarts: 1, completing: true), seen(.pending, submit: 495, restarts: 1),
            seen(.running, submit: 495, restarts: 1, start: 600),
            seen(.completed, .plugin, submit: 495, restarts: 1, start: 600, end: 610))
        #expect(
            try await bench.story() == [
                "7 pending", "7 running", "7 requeued", "7 pending", "7 running", "7 ended COMPLETED final",
            ])
        #expect(try await bench.ledger.list(limit: 10).map(\.runs) == [2])
        #expect(try await bench.ledger.verify().isEmpty)
    }

    @Test("a later run of a job whose end is not known waits until Slurm was asked")
    func superseded() async throws {
        let bench = try Bench()
        try await bench.see(seen(.running, start: 490), seen(.pending, submit: 600, restarts: 1))
        #expect(try await bench.story() == ["7 running"])
        #expect(try await bench.ledger.dueHints(limit: 10).map(\.reason) == [.superseded])
        try await bench.see(seen(.pending, submit: 600, restarts: 1), force: true)
        #expect(try await bench.story() == ["7 running", "7 requeued", "7 pending"])
        // Nobody had its end: the new submit time is when it was put back.
        let requeued = try #require(
            try await bench.ledger.transitions(after: 0, limit: 9).first { $0.kind == .requeued })
        #expect(requeued.endTime == 600 && requeued.elapsed == 110)
    }

    @Test(
        "the number of a job that waited is given away again by a slurmctld that was killed: slurmdbd knows of the first"
    )
    func numberGivenAwayAgain() async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        try await bench.see(seen(.pending), seen(.pending, submit: 600, at: 2000))
        #expect(try await bench.ledger.counts().hints == 1)
        fake.state.accounting = [
            seen(.cancelled, .accounting, restarts: nil, start: 495, end: 495),
            seen(.pending, .accounting, submit: 600, restarts: nil),
        ]
        fake.state.list = [seen(.pending, submit: 600, at: 3000)]
        let follower = HintFollower(ledger: bench.ledger, scheduler: fake, logger: quiet)
        while try await follower.followDue() {}
        #expect(try await bench.story() == ["7 pending", "7 ended CANCELLED final", "7 pending"])
        #expect(try await bench.ledger.summaries(ofJob: 7).map(\.isFinal).sorted { $0 && !$1 } == [true, false])
    }

    @Test("a job that was put back before anybody saw it run: slurmdbd is asked when it ran")
    func requeuedUnseen() async throws {
        let bench = try Bench()
        try await bench.see(seen(.pending), seen(.pending, submit: 600, restarts: 1))
        #expect(try await bench.story() == ["7 pending"])
        #expect(try await bench.ledger.dueHints(limit: 10).map(\.reason) == [.superseded])
        try await bench.see(seen(.pending, .accounting, requeueing: true, start: 599, end: 600))
        try await bench.see(seen(.pending, submit: 600, restarts: 1), force: true)
        #expect(try await bench.story() == ["7 pending", "7 running", "7 requeued", "7 pending"])
        #expect(try await bench.ledger.verify().isEmpty)
    }

    @Test("the number is used again for another job")
    func reuse() async throws {
        let bench = try Bench()
        try await bench.see(seen(.completed, start: 490, end: 495), seen(.pending, submit: 9000, name: "other"))
        #expect(try await bench.ledger.list(limit: 10).count == 2)
        // And while the old one was never seen to end.
        try await bench.see(
            seen(.running, submit: 9000, start: 9001, name: "other"), seen(.pending, submit: 9500, name: "third"),
            force: true)
        #expect(
            try await bench.story() == [
                "7 running", "7 ended COMPLETED final", "7 pending", "7 running", "7 vanished RUNNING final",
                "7 pending",
            ])
        #expect(try await bench.ledger.verify().isEmpty)
    }

    /// Killed in time, slurmctld has told slurmdbd of an end and never will of the submission, and uses the number again.
    @Test("slurmdbd's row of an end without its submission is of a job of its own, or of one that is known")
    func endWithoutSubmission() async throws {
        let bench = try Bench()
        func half(_ submit: Int64, id: UInt32 = 7) -> JobObservation {
            var row = seen(
                .cancelled, .accounting, key: JobKey(id), submit: submit, restarts: nil, start: submit, end: submit)
            row.details = JobDetails()
            return row
        }
        try await bench.see(
            half(300), seen(.pending, submit: 600), half(500),
            // Had they been one job, the first run would have been put back.
            seen(.running, submit: 600, restarts: 1, start: 601), half(400), half(700), force: true)
        #expect(
            try await bench.story() == [
                "7 ended CANCELLED final", "7 pending", "7 ended CANCELLED final", "7 running",
                "7 ended CANCELLED final", "7 vanished RUNNING final", "7 ended CANCELLED final",
            ])
        // Such a row names no array: its number and submit time do.
        try await bench.see(
            seen(.pending, key: JobKey(20, .rest), submit: 800, tasks: "1-50"),
            seen(.pending, key: JobKey(20, .task(4)), id: 25, submit: 800), half(800, id: 20))
        #expect(
            try await bench.story().suffix(4) == [
                "20_[] pending", "20_4 pending", "20_[] ended CANCELLED final", "20_4 ended CANCELLED final",
            ])
        #expect(try await bench.ledger.verify().isEmpty)
    }

    @Test("put back into the queue, then forgotten by slurmctld, which gives its number to another job")
    func forgottenAfterRequeue() async throws {
        let bench = try Bench()
        try await bench.see(
            seen(.pending, .plugin, requeueing: true, start: 490, end: 495),
            seen(.running, submit: 600, start: 601, name: "other"))
        #expect(try await bench.story() == ["7 running", "7 vanished final", "7 running"])
    }

    @Test("an administrator requeues a job that was over: no second final")
    func requeuedAfterEnd() async throws {
        let bench = try Bench([
            .init(gateway: "all", scope: .everything), .init(gateway: "grid", scope: .ownJobs),
        ])
        let job = try await bench.ledger.accept(JobOrder(gateway: "grid", externalID: "0x1", request: []))
        let tag = try #require(try await bench.ledger.order("grid", "0x1", claim: 1)).tag
        try await bench.see(
            seen(.failed, .plugin, start: 490, end: 495, exit: 256, tag: "other," + tag),
            seen(.running, submit: 600, restarts: 1, start: 700, tag: tag),
            seen(.completed, .plugin, submit: 600, restarts: 1, start: 700, end: 710, tag: tag))
        let transitions = try await bench.ledger.transitions(ofLedgerJob: job)
        #expect(transitions.map(\.kind) == [.running, .ended, .running, .ended])
        #expect(transitions.map(\.isFinal) == [false, true, false, false])
        #expect(try await bench.ledger.dueDeliveries("grid", limit: 10).map(\.transition.kind) == [.running, .ended])
        #expect(try await bench.ledger.dueDeliveries("all", limit: 10).count == 4)
        #expect(try await bench.ledger.verify().isEmpty)
    }

    @Test("an array: tasks by their own name, the last has the array's number, the pending rest ends with one record")
    func array() async throws {
        let bench = try Bench()
        func task(_ task: UInt32, _ id: UInt32) -> JobObservation {
            seen(.completed, .plugin, key: JobKey(7, .task(task)), id: id, start: 490, end: 495)
        }
        try await bench.see(
            seen(.pending, key: JobKey(7, .rest), tasks: "1-3"), task(1, 8), task(2, 9), task(3, 7))
        #expect(
            try await bench.story() == [
                "7_[] pending", "7_1 running", "7_1 ended COMPLETED final", "7_2 running", "7_2 ended COMPLETED final",
                "7_3 running",
                "7_3 ended COMPLETED final",
            ])
        #expect(try await bench.ledger.counts().openRuns == 0)
        // Another, cancelled with a task that waits on its own.
        try await bench.see(
            seen(.pending, key: JobKey(20, .rest), tasks: "1-50"), seen(.pending, key: JobKey(20, .task(4)), id: 25),
            seen(.cancelled, .plugin, key: JobKey(20, .rest), start: 500, end: 500, tasks: "1-50"))
        #expect(
            try await bench.story().suffix(4) == [
                "20_[] pending", "20_4 pending", "20_[] ended CANCELLED final", "20_4 ended CANCELLED final",
            ])
        #expect(try await bench.ledger.verify().isEmpty)
    }

    @Test("slurmdbd's second row of a job that changed its size is no second run")
    func resized() async throws {
        let bench = try Bench()
        try await bench.see(
            seen(.completed, .plugin, start: 490, end: 520),
            seen(.completed, .accounting, submit: 500, restarts: nil, start: 500, end: 520))
        #expect(try await bench.story() == ["7 running", "7 ended COMPLETED final"])
    }

    @Test("marks: the highest sequence of a process counts")
    func marks() async throws {
        let bench = try Bench()
        var intake = Ledger.Intake()
        let boot = [UInt8](repeating: 9, count: 16)
        for sequence in [3, 5, 4] as [UInt64] {
            intake.marks = [Ledger.Mark(bootID: boot, sequence: sequence, dropped: 0)]
            try await bench.ledger.fold(intake)
        }
        #expect(try await bench.ledger.marks() == [boot: 5])
    }

    /// Whatever the order in which three sources tell of a life, and however often: the same end, once, in order.
    @Test("shuffled, doubled and lost observations end the same", arguments: 0..<60)
    func shuffled(seed: UInt64) async throws {
        var random = SeededGenerator(seed)
        let bench = try Bench()
        let fake = FakeScheduler()
        var truth: [JobKey: (submit: Int64, end: SchedulerState.Base, exit: UInt32)] = [:]
        var told: [JobObservation] = []
        var accounting: [JobObservation] = []
        for number in UInt32(1)...12 {
            let key = JobKey(number)
            var submit = Int64(1000 + Int(number))
            let requeues = UInt32.random(in: 0...2, using: &random)
            for run in 0...requeues {
                let start = submit + 10
                let end = start + Int64.random(in: 1...30, using: &random)
                let last = run == requeues
                let base: SchedulerState.Base =
                    [.completed, .failed, .cancelled, .timeout].randomElement(using: &random) ?? .completed
                let exit: UInt32 = base == .failed ? 256 : 0
                told.append(seen(.pending, key: key, submit: submit, restarts: run, at: submit))
                told.append(seen(.running, key: key, submit: submit, restarts: run, start: start, at: start))
                if last {
                    told.append(
                        seen(
                            base, .plugin, key: key, submit: submit, restarts: run, completing: true, start: start,
                            end: end, exit: exit, at: end))
                    told.append(
                        seen(
                            base, key: key, submit: submit, restarts: run, start: start, end: end, exit: exit,
                            at: end + 1))
                    accounting.append(
                        seen(
                            base, .accounting, key: key, submit: submit, restarts: nil, start: start, end: end,
                            exit: exit, at: end))
                    truth[key] = (submit, base, exit)
                } else {
                    told.append(
                        seen(
                            .pending, .plugin, key: key, submit: submit, restarts: run, requeueing: true, start: start,
                            end: end, at: end))
                    told.append(seen(.pending, key: key, submit: submit, restarts: run + 1, completing: true, at: end))
                    accounting.append(
                        seen(
                            .pending, .accounting, key: key, submit: submit, restarts: nil, requeueing: true,
                            start: start, end: end, at: end))
                }
                submit = end
            }
        }
        // Near its place, some twice, some never.
        let jumbled = told.flatMap { one -> [(Double, JobObservation)] in
            guard Double.random(in: 0...1, using: &random) < 0.8 else { return [] }
            return (0..<Int.random(in: 1...2, using: &random)).map { _ in
                (Double(one.time) + Double.random(in: -3...3, using: &random), one)
            }
        }.sorted { $0.0 < $1.0 }
        fake.state.accounting = accounting
        let follower = HintFollower(ledger: bench.ledger, scheduler: fake, logger: quiet)
        for (_, observation) in jumbled {
            try await bench.ledger.fold(Ledger.Intake(observations: [observation]))
            if Bool.random(using: &random) { while try await follower.followDue() {} }
        }
        // What the reconciler finds in the end: nothing is left in slurmctld.
        for run in try await bench.ledger.openRuns() { try await bench.ledger.addMissing([run.jobID]) }
        while try await follower.followDue() {}
        for row in accounting { try await bench.ledger.fold(Ledger.Intake(observations: [row])) }
        #expect(try await bench.ledger.verify() == [])
        #expect(try await bench.ledger.counts().openRuns == 0)
        for (key, end) in truth {
            let jobs = try await bench.ledger.summaries(ofJob: key.number)
            let transitions = try await jobs.asyncFlatMap {
                try await bench.ledger.transitions(ofLedgerJob: $0.ledgerJob)
            }
            let final = transitions.filter { $0.isFinal }
            #expect(final.count == 1, "\(key): \(transitions.map { "\($0.submitTime ?? 0) \($0.kind)" })")
            #expect(
                final.first?.submitTime == end.submit && final.first?.state == end.end
                    && final.first?.exitStatus == end.exit)
        }
    }
}

struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 &+ 1 }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}

extension Array {
    func asyncFlatMap<Other>(_ body: (Element) async throws -> [Other]) async rethrows -> [Other] {
        var all: [Other] = []
        for element in self { all += try await body(element) }
        return all
    }
}
