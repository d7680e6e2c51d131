// SPDX-License-Identifier: GPL-3.0-or-later

import Dispatch
import GRDB
import Glibc
import NIOConcurrencyHelpers
import Testing
import Waiting

@testable import JobLifecycle

/// The follower with parties that take as long as the test says; the clock stands still unless it is moved.
@Suite("One slow party stops no other", .timeLimit(.minutes(1)))
struct LaneTests {
    private struct Rig {
        let clock = VirtualClock()
        let folder: TemporaryFolder
        let ledger: Ledger
        let slurm: SlowScheduler
        let driver: HintDriver

        init(_ limits: HintQueue.Limits = HintQueue.Limits()) throws {
            folder = try TemporaryFolder()
            ledger = try Ledger(
                path: folder.ledger, cluster: "lab", interests: [.init(gateway: "all", scope: .everything)],
                now: clock.date)
            slurm = SlowScheduler(clock)
            driver = HintDriver(
                ledger: ledger, scheduler: slurm, settings: HintFollower.Settings(), limits: limits, logger: quiet,
                clock: clock)
        }

        /// Runs the follower meanwhile.
        func running(_ body: () async throws -> Void) async throws {
            let service = Task { await driver.run() }
            defer { service.cancel() }
            try await body()
            service.cancel()
            await service.value
        }

        func hint(_ jobIDs: UInt32..., reason: JobHint.Reason = .record) async throws {
            try await ledger.fold(
                Ledger.Intake(
                    hints: jobIDs.map { JobHint(jobID: $0, reason: reason, time: ledger.microseconds) }))
        }

        /// The clock stands still while this waits: what comes, comes without anybody's time having passed.
        func until(_ what: String, _ condition: () async throws -> Bool) async throws {
            try await waitUntil(what, condition)
        }

        /// Lets time pass, to what somebody waits for.
        func pass(_ duration: Duration) async throws {
            try await waitUntil("somebody waits for \(duration) from now") { clock.isAwaited(in: duration) }
            clock.advance(by: duration)
        }

        func story() async throws -> [String] {
            try await ledger.transitions(after: 0, limit: 10_000).map { "\($0.job ?? "-") \($0.kind.rawValue)" }
        }

        func asked(_ what: String) -> Int { slurm.state.asked.count { $0 == what } }
    }

    @Test("slurmdbd hangs: starts and ends of other jobs go on")
    func hungAccounting() async throws {
        let rig = try Rig()
        rig.slurm.state.accountingTime = .seconds(30)
        rig.slurm.state.rows = [seen(.completed, .accounting, key: JobKey(1), restarts: nil, start: 490, end: 495)]
        try await rig.ledger.fold(Ledger.Intake(observations: [seen(.running, key: JobKey(1), start: 490)]))
        try await rig.running {
            try await rig.hint(1)
            try await rig.until("slurmdbd is asked") { rig.asked("accounting [1]") == 1 }
            rig.slurm.state.list = [
                seen(.running, key: JobKey(2), start: 490), seen(.completed, key: JobKey(3), start: 490, end: 495),
            ]
            try await rig.hint(2, reason: .start)
            try await rig.hint(3)
            try await rig.until("both are told") { try await rig.story().count == 4 }
            #expect(try await rig.story().filter { $0.hasPrefix("1 ") } == ["1 running"])
            #expect(try await rig.ledger.counts().hints == 1, "what waits for slurmdbd is not lost")
            try await rig.pass(.seconds(30))
            try await rig.until("slurmdbd's word is told") { try await rig.story().contains("1 ended") }
            #expect(try await rig.ledger.counts().hints == 0)
        }
    }

    @Test("slurmdbd gives up: asked later each time, and nothing is taken for an end meanwhile")
    func failingAccounting() async throws {
        let rig = try Rig()
        rig.slurm.state.accountingFails = true
        try await rig.ledger.fold(Ledger.Intake(observations: [seen(.running, key: JobKey(1), start: 490)]))
        try await rig.running {
            try await rig.hint(1)
            for count in 1...4 {
                try await rig.until("asked \(count) times") { rig.asked("accounting [1]") == count }
                try await rig.pass(.seconds(1 << (count - 1)))
            }
            #expect(try await rig.story() == ["1 running"])
        }
    }

    @Test("one look that takes 30 s: the other places go on")
    func slowLook() async throws {
        let rig = try Rig(.init(looks: 2, startLooks: 0))
        rig.slurm.state.lookTime = [1: .seconds(30)]
        rig.slurm.state.list = (1...50).map { seen(.running, key: JobKey($0), start: 490) }
        try await rig.ledger.fold(
            Ledger.Intake(hints: (1...50).map { JobHint(jobID: $0, reason: .start, time: rig.ledger.microseconds) }))
        try await rig.running {
            try await rig.until("all others are told") { try await rig.story().count == 49 }
            #expect(rig.slurm.state.mostLooks == 2)
            try await rig.pass(.seconds(30))
            try await rig.until("the slow one, too") { try await rig.story().count == 50 }
        }
    }

    @Test("slurmctld is asked about a start while the hint at it waits for the disk")
    func earlyStart() async throws {
        let rig = try Rig()
        rig.slurm.state.list = [seen(.running, key: JobKey(1), start: 490), seen(.running, key: JobKey(2), start: 490)]
        let disk = DispatchSemaphore(value: 0)
        let isWriting = NIOLockedValueBox(false)
        try await rig.running {
            try await rig.hint(2, reason: .start)
            try await rig.until("the follower is at work") { try await rig.story() == ["2 running"] }
            async let other: Void = rig.ledger.transact { _ in
                isWriting.withLockedValue { $0 = true }
                disk.wait()
            }
            try await rig.until("the disk hangs") { isWriting.withLockedValue { $0 } }
            async let hint: Void = rig.hint(1, reason: .start)
            try await rig.until("slurmctld is asked") { rig.asked("look 1") == 1 }
            #expect(try await rig.story() == ["2 running"])
            disk.signal()
            _ = try await (other, hint)
            try await rig.until("the start is told") { try await rig.story() == ["2 running", "1 running"] }
            try await rig.until("nothing is left") { try await rig.ledger.counts().hints == 0 }
        }
    }

    @Test("a burst is one list and few commits")
    func burst() async throws {
        let rig = try Rig()
        rig.slurm.state.list = (1...600).map { seen(.running, key: JobKey($0), start: 490) }
        try await rig.ledger.fold(
            Ledger.Intake(hints: (1...600).map { JobHint(jobID: $0, reason: .start, time: rig.ledger.microseconds) }))
        let commits = NIOLockedValueBox(0)
        try await rig.ledger.transact {
            $0.database.add(transactionObserver: Commits(commits), extent: .databaseLifetime)
        }
        try await rig.running {
            try await rig.until("all are told") { try await rig.story().count == 600 }
        }
        #expect(rig.slurm.state.asked == ["list"])
        #expect(commits.withLockedValue { $0 } < 15)
        #expect(try await rig.ledger.counts().hints == 0)
    }

    @Test("a list answers as looks would: an array's tasks by the array's number, components by the leader's")
    func listRecords() {
        var component = seen(.running, key: JobKey(21), start: 490)
        component.details.hetJobID = 20
        let list = JobList(
            stamp: 1,
            jobs: [
                seen(.running, key: JobKey(7, .task(1)), id: 9, start: 490), seen(.pending, key: JobKey(7, .rest)),
                component,
                seen(.running, key: JobKey(20), start: 490), seen(.running, key: JobKey(8), start: 490),
            ], since: JobListMemory(of: [7, 9, 20, 30]))
        #expect(list.changed.map(\.jobID) == [9, 21, 20, 7])
        let records = list.records(of: [7, 9, 20, 30])
        #expect(records.mapValues { $0.map(\.jobID) } == [7: [9, 7], 9: [9], 20: [21, 20]])
    }

    @Test(
        "the first start of a job whose run before nobody saw is told although slurmdbd hangs; the run before when it answers"
    )
    func startWithoutEarlierRun() async throws {
        let rig = try Rig()
        rig.slurm.state.accountingTime = .seconds(30)
        rig.slurm.state.list = [seen(.running, submit: 600, restarts: 1, start: 601)]
        rig.slurm.state.rows = [
            seen(.pending, .accounting, restarts: nil, requeueing: true, start: 490, end: 495),
            seen(.running, .accounting, submit: 600, restarts: nil, start: 601),
        ]
        try await rig.running {
            try await rig.hint(7, reason: .start)
            try await rig.until("slurmdbd is asked") { rig.asked("accounting [7]") == 1 }
            #expect(try await rig.story().isEmpty)
            // Another job that starts waits for nothing.
            rig.slurm.state.list.append(seen(.running, key: JobKey(8), start: 601))
            try await rig.hint(8, reason: .start)
            try await rig.until("it is told") { try await rig.story() == ["8 running"] }
            try await rig.pass(.seconds(2))
            try await rig.until("the start is told") { try await rig.story() == ["8 running", "7 running"] }
            try await rig.pass(.seconds(28))
            try await rig.until("the run before is told") { try await rig.story().count == 4 }
            #expect(try await rig.story().suffix(2) == ["7 running", "7 requeued"])
            #expect(try await rig.ledger.list(limit: 9).filter { $0.jobID == 7 }.map(\.runs) == [2])
            try await rig.until("nothing is left to do") { try await rig.ledger.counts().hints == 0 }
        }
    }

    @Test("of an end that comes while slurmctld is being asked, slurmctld is asked once more")
    func endMeanwhile() async throws {
        let rig = try Rig()
        try await rig.ledger.fold(Ledger.Intake(observations: [seen(.running, start: 490)]))
        rig.slurm.state.lookTime = [7: .seconds(5)]
        try await rig.running {
            try await rig.hint(7)
            try await rig.until("slurmctld is asked") { rig.asked("look 7") == 1 }
            rig.clock.advance(by: .seconds(1))
            try await rig.ledger.fold(
                Ledger.Intake(observations: [
                    seen(.nodeFail, .plugin, start: 490, end: 499, at: rig.ledger.microseconds)
                ]))
            try await rig.pass(.seconds(4))
            try await rig.until("slurmctld is asked again") { rig.asked("look 7") == 2 }
            #expect(try await rig.story() == ["7 running"])
            try await rig.pass(.seconds(5))
            try await rig.until("now it is an end") { try await rig.story() == ["7 running", "7 ended"] }
        }
    }

    @Test("a later run that is over is in slurmdbd, the one before is not: one question, no circle")
    func laterRunOnly() async throws {
        let rig = try Rig()
        try await rig.ledger.fold(Ledger.Intake(observations: [seen(.running, start: 490)]))
        rig.slurm.state.rows = [seen(.completed, .accounting, submit: 600, restarts: 1, start: 601, end: 610)]
        try await rig.hint(7)
        while try await rig.driver.followDue() {}
        #expect(try await rig.story() == ["7 running", "7 requeued", "7 running", "7 ended"])
        #expect(rig.slurm.state.asked == ["look 7", "accounting [7]"])
        #expect(try await rig.ledger.counts().hints == 0)
    }

    @Test("killed while it asks: the next agent asks again, also what waited for slurmdbd")
    func killed() async throws {
        let rig = try Rig()
        rig.slurm.state.accountingTime = .seconds(30)
        rig.slurm.state.lookTime = [2: .seconds(30)]
        try await rig.ledger.fold(
            Ledger.Intake(observations: [
                seen(.running, key: JobKey(1), start: 490), seen(.running, key: JobKey(2), start: 490),
            ]))
        try await rig.running {
            try await rig.hint(1, 2)
            try await rig.until("both are asked about") {
                rig.asked("accounting [1]") == 1 && rig.asked("look 2") == 1
            }
        }
        #expect(try await rig.ledger.counts().hints == 2)
        let next = SlowScheduler(rig.clock)
        next.state.rows = [1, 2].map {
            seen(.completed, .accounting, key: JobKey($0), restarts: nil, start: 490, end: 495)
        }
        let driver = HintDriver(
            ledger: rig.ledger, scheduler: next, settings: HintFollower.Settings(), limits: HintQueue.Limits(),
            logger: quiet, clock: rig.clock)
        let service = Task { await driver.run() }
        try await rig.until("both ends are told") { try await rig.story().count { $0.hasSuffix("ended") } == 2 }
        service.cancel()
        await service.value
        #expect(try await rig.ledger.counts().hints == 0)
    }

    @Test("what cannot be written is asked again: a hint goes only with what was learned")
    func fullDisk() async throws {
        let rig = try Rig()
        rig.slurm.state.list = [seen(.running, start: 490, name: String(repeating: "x", count: 100_000))]
        try await rig.hint(7, reason: .start)
        try await rig.ledger.setPageLimit(1)
        try await rig.running {
            try await rig.until("asked") { rig.asked("look 7") == 1 }
            try await rig.until("it waits") { await rig.driver.isPaused }
            #expect(try await rig.story().isEmpty)
            #expect(try await rig.ledger.counts().hints == 1)
            try await rig.ledger.setPageLimit(1 << 20)
            try await rig.pass(.seconds(1))
            try await rig.until("told") { try await rig.story() == ["7 running"] }
        }
        #expect(try await rig.ledger.counts().hints == 0)
    }

    @Test("a backlog is read in the order of its indexes, never sorted or scanned")
    func plans() async throws {
        let rig = try Rig()
        for (index, lane) in [("hints_due_starts", Ledger.mayBeStart), ("hints_due_others", Ledger.isOther)] {
            for query in [Ledger.dueQuery(index, lane), Ledger.nextQuery(index, lane)] {
                let plan = try await rig.ledger.read { database in
                    let count = query.count { $0 == "?" }
                    return try Row.fetchAll(
                        database, sql: "EXPLAIN QUERY PLAN " + query,
                        arguments: StatementArguments(Array(repeating: 1, count: count))
                    ).map { $0["detail"] as String }
                }
                #expect(plan.allSatisfy { $0.hasPrefix("SEARCH hints USING") && $0.contains(index) }, "\(plan)")
            }
        }
    }

    @Test("the writer: a start comes into the commit under way, the background waits for the others but not for ever")
    func writerLanes() async throws {
        let rig = try Rig()
        let order = NIOLockedValueBox<[String]>([])
        let gate = NIOLockedValueBox(false)
        let entered = NIOLockedValueBox(false)
        let ledger = rig.ledger
        async let first: Void = ledger.transact { _ in
            entered.withLockedValue { $0 = true }
            while !gate.withLockedValue({ $0 }) { usleep(500) }
        }
        try await waitUntil { entered.withLockedValue({ $0 }) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            var waiting = 0
            for (lane, name) in [
                (LedgerWriter.Lane.background, "background"), (.prompt, "prompt"), (.urgent, "urgent"),
            ] {
                group.addTask {
                    try await ledger.transact(lane) { _ in order.withLockedValue { $0.append(name) } }
                }
                waiting += 1
                try await waitUntil { ledger.waitingPieces >= waiting }
            }
            gate.withLockedValue { $0 = true }
            try await group.waitForAll()
        }
        try await first
        #expect(order.withLockedValue { $0 } == ["urgent", "prompt", "background"])
    }
}

private final class Commits: TransactionObserver, Sendable {
    let count: NIOLockedValueBox<Int>

    init(_ count: NIOLockedValueBox<Int>) { self.count = count }

    func observes(eventsOfKind eventKind: DatabaseEventKind) -> Bool { false }
    func databaseDidChange(with event: DatabaseEvent) {}
    func databaseDidCommit(_ db: Database) { count.withLockedValue { $0 += 1 } }
    func databaseDidRollback(_ db: Database) {}
}
