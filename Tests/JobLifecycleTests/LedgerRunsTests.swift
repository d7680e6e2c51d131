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
        let runs = try await bench.ledger.runningRuns()
        #expect(runs.map(\.jobID) == [7] && runs.map(\.kind) == [.running] && runs.map(\.startTime) == [490])
        // It is in no outbox.
        #expect(runs.map(\.sequence) == [0])
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
