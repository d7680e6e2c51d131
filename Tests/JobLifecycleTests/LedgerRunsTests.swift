// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import JobLifecycle

@Suite("Runs as a gateway that begins late hears of them")
struct LedgerRunsTests {
    @Test("what runs now is told as running; what waits, or is over, is not among it")
    func running() async throws {
        let bench = try Bench()
        try await bench.see(
            seen(.running, start: 490), seen(.pending, key: JobKey(8)), seen(.running, key: JobKey(9), start: 480),
            seen(.completed, key: JobKey(9), start: 480, end: 485))
        let runs = bench.ledger.runningRuns
        #expect(runs.map(\.jobID) == [7] && runs.map(\.kind) == [.running] && runs.map(\.startTime) == [490])
        // It is in no outbox.
        #expect(runs.map(\.sequence) == [0])
    }

    @Test("in memory as in the file: after a start, and when an order turns out to be the job's")
    func memory() async throws {
        let bench = try Bench([.init(gateway: "grid", scope: .ownJobs)])
        let ledger = bench.ledger
        try await bench.see(
            seen(.running, start: 490), seen(.suspended, key: JobKey(9), start: 480), seen(.pending, key: JobKey(8)),
            seen(.running, key: JobKey(51), submit: 1_000_000, start: 1_000_001))
        let id = try await ledger.accept(JobOrder(gateway: "grid", externalID: "0xa", request: [1]))
        try await ledger.noteAttempt(id)
        // Its run was taken for nobody's before its number was known.
        try await ledger.noteSubmitted(id, jobID: 51)
        try await ledger.checkRunningRuns()
        #expect(ledger.runningRuns.first { $0.jobID == 51 }?.ledgerJob == id)
        ledger.close()
        let again = try Ledger(path: bench.folder.ledger, cluster: "lab", now: bench.clock.now)
        #expect(Set(again.runningRuns.map(\.jobID)) == [7, 9, 51])
        // Told by an agent before.
        _ = try await again.fold(Ledger.Intake(observations: [seen(.completed, start: 490, end: 495)]))
        #expect(Set(again.runningRuns.map(\.jobID)) == [9, 51])
        try await again.checkRunningRuns()
    }

    @Test("what is undone of a transaction is not in memory")
    func undone() async throws {
        let bench = try Bench()
        try await bench.see(seen(.running, start: 490))
        let record = try #require(bench.ledger.running.all.first).record
        await #expect(throws: LedgerError.self) {
            try await bench.ledger.transact { transaction in
                var other = record
                (other.key, other.jobID) = (JobKey(8), 8)
                _ = try transaction.insert(other, job: 1)
                throw LedgerError(.failed, "no")
            }
        }
        #expect(bench.ledger.runningRuns.map(\.jobID) == [7])
        try await bench.ledger.checkRunningRuns()
    }

    @Test("of a requeued job there is each run, with how it is over")
    func requeued() async throws {
        let bench = try Bench()
        try await bench.see(
            seen(.running, start: 490), seen(.pending, .plugin, requeueing: true, start: 490, end: 495),
            seen(.running, submit: 495, restarts: 1, start: 600),
            seen(.completed, .plugin, submit: 495, restarts: 1, start: 600, end: 610))
        let runs = try await bench.ledger.runs(ofJob: 7).sorted { ($0.submitTime ?? 0) < ($1.submitTime ?? 0) }
        #expect(runs.map(\.kind) == [.requeued, .ended] && runs.map(\.endTime) == [495, 610])
        #expect(try await bench.ledger.runs(ofJob: 99).isEmpty)
    }
}
