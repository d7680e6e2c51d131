// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import JobLifecycle

@Suite("Answers that overtake each other")
struct ObservationOrderTests {
    struct Case: CustomTestStringConvertible {
        var name: String
        var seen: [JobObservation]
        var phase: RunRecord.Phase
        var state: SchedulerState.Base?
        var start: Int64? = 500
        var exitCodesRequeue = false

        var testDescription: String { name }
    }

    static let cases: [Case] = [
        Case(
            name: "suspended and resumed",
            seen: [
                seen(.pending, at: 1000), seen(.running, start: 500, at: 2000), seen(.suspended, start: 500, at: 3000),
                seen(.running, start: 500, at: 4000),
            ], phase: .running, state: .running),
        Case(
            name: "runs all the time, with an answer from a suspension in between",
            seen: [
                seen(.running, start: 500, at: 2000), seen(.suspended, start: 500, at: 3000),
                seen(.running, start: 500, at: 4000), seen(.running, start: 500, at: 5000),
            ], phase: .running, state: .running),
        Case(
            name: "suspended again",
            seen: [
                seen(.running, start: 500, at: 2000), seen(.suspended, start: 500, at: 3000),
                seen(.running, start: 500, at: 4000), seen(.suspended, start: 500, at: 5000),
            ], phase: .suspended, state: .suspended),
        Case(
            name: "its nodes are started, and it runs",
            seen: [
                seen(.pending, at: 1000), seen(.running, start: 450, at: 2000).configuring(),
                seen(.running, start: 450, at: 3000).configuring(), seen(.running, start: 500, at: 4000),
            ], phase: .running, state: .running),
        Case(
            name: "its end, and what slurmdbd has of it",
            seen: [
                seen(.pending, at: 1000), seen(.running, start: 500, at: 2000), seen(.suspended, start: 500, at: 3000),
                seen(.completed, .plugin, completing: true, start: 500, end: 510, at: 4000),
                seen(.completed, .accounting, restarts: nil, start: 500, end: 510, at: 5000),
            ], phase: .ended, state: .completed),
        Case(
            name: "a node fails, and it waits to go back",
            seen: [
                seen(.pending, at: 1000), seen(.running, start: 500, at: 2000),
                seen(.nodeFail, .plugin, start: 500, end: 510, at: 4000),
                seen(.pending, restarts: 1, completing: true, at: 5000),
                seen(.nodeFail, .accounting, restarts: nil, start: 500, end: 510, at: 6000),
            ], phase: .closing, state: .nodeFail),
        Case(
            name: "a node fails, and it does not go back",
            seen: [
                seen(.pending, at: 1000), seen(.running, start: 500, at: 2000),
                seen(.nodeFail, .plugin, completing: true, start: 500, end: 510, at: 4000),
                seen(.nodeFail, completing: true, start: 500, end: 510, at: 5000),
                seen(.nodeFail, start: 500, end: 510, at: 6000),
                seen(.nodeFail, .accounting, restarts: nil, start: 500, end: 510, at: 6000),
            ], phase: .ended, state: .nodeFail),
        Case(
            name: "it fails where RequeueExit is set, and goes back by slurmdbd's and the plugin's word",
            seen: [
                seen(.running, start: 500, at: 2000),
                seen(.failed, .plugin, completing: true, start: 500, end: 510, exit: 256, at: 4000),
                seen(.failed, completing: true, start: 500, end: 510, exit: 256, at: 5000),
                seen(.pending, .accounting, restarts: nil, requeueing: true, start: 500, end: 510, at: 6000),
            ], phase: .closing, state: .failed, exitCodesRequeue: true),
        Case(
            name: "put back by hand",
            seen: [
                seen(.running, start: 500, at: 2000),
                seen(.pending, .plugin, requeueing: true, start: 500, end: 510, at: 4000),
                seen(.pending, restarts: 1, completing: true, at: 5000),
            ], phase: .closing, state: nil),
    ]

    @Test("all orders of the same answers end the same, and each thing is told once", arguments: cases)
    func orders(_ row: Case) {
        let rule = RunFold(policy: RequeuePolicy(exitCodesRequeue: row.exitCodesRequeue))
        for order in row.seen.permutations {
            var run: RunRecord?
            var told: [JobTransition.Kind] = []
            for observation in order {
                guard let outcome = rule.fold(run, observation) else { continue }
                run = outcome.run
                told += outcome.transitions
            }
            let words = order.map { "\($0.source) \($0.state.base) \($0.time)" }
            #expect(run?.phase == row.phase && run?.state == row.state, "\(words)")
            #expect(run?.startTime == row.start, "\(words)")
            #expect(run?.toldRunning == true && told.count { $0 == .running } == 1, "\(words): \(told)")
            #expect(told.count { $0 == .pending } <= 1 && told.count { $0 == .ended } <= 1, "\(words): \(told)")
            if row.phase == .closing || row.phase == .ended { #expect(run?.endTime == 510, "\(words)") }
        }
    }

    @Test("the details of the later question stay, whatever comes in between or after")
    func details() throws {
        let rule = RunFold(policy: RequeuePolicy())
        var long = seen(.running, start: 500, at: 3000)
        long.details.timeLimit = 60
        var short = seen(.running, start: 500, at: 2000)
        short.details.timeLimit = 5
        short.details.account = "physics"
        for order in [long, short].permutations {
            var run: RunRecord?
            for observation in order { run = rule.fold(run, observation)?.run ?? run }
            #expect(run?.details.timeLimit == 60 && run?.details.account == "physics")
        }
    }

    @Test("an answer from before an unchanged look is overtaken by it, also in the ledger")
    func unchangedLook() async throws {
        let bench = try Bench()
        try await bench.see(
            seen(.running, start: 500, at: 1000), seen(.running, start: 500, at: 3000),
            seen(.suspended, start: 500, at: 2000))
        #expect(try await bench.story() == ["7 running"])
        try await bench.see(
            seen(.suspended, start: 500, at: 4000), seen(.suspended, start: 500, at: 6000),
            seen(.running, start: 500, at: 5000))
        #expect(try await bench.story() == ["7 running", "7 suspended SUSPENDED"])
    }

    @Test("suspended and resumed between two lists that are the same: it is looked at")
    func betweenLists() async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        let reconciler = Reconciler(ledger: bench.ledger, scheduler: fake, logger: quiet)
        let follower = HintFollower(ledger: bench.ledger, scheduler: fake, logger: quiet)
        fake.state.list = [seen(.running, start: 500, at: 1000)]
        try await reconciler.poll(sweep: true)
        try await bench.see(seen(.suspended, start: 500, at: 2000))
        fake.state.list = [seen(.running, start: 500, at: 3000)]
        fake.state.stamp = 2
        try await reconciler.poll(sweep: true)
        while try await follower.followDue() {}
        #expect(try await bench.story() == ["7 running", "7 suspended SUSPENDED", "7 resumed RUNNING"])
        #expect(try await bench.ledger.counts().hints == 0)
        try await reconciler.poll(sweep: true)
        #expect(try await bench.ledger.counts().hints == 0)
    }
}
