// SPDX-License-Identifier: GPL-3.0-or-later

import GRDB
import Testing

@testable import JobLifecycle

@Suite("Slurm jobs that are one too many")
struct SurplusTests {
    /// An order whose job is 101, let go, and what its duplicates look like.
    private func released() async throws -> (stage: SubmissionStage, job: Int64, tag: String) {
        let stage = try SubmissionStage()
        let job = try await stage.accept()
        try await stage.steps()
        try await stage.checkSettled()
        return (stage, job, try await stage.order().tag)
    }

    private func duplicate(_ stage: SubmissionStage, _ tag: String) async throws -> UInt32 {
        try await stage.fake.submitHeld([1], tag: tag)
    }

    @Test("a poll or a plugin's event shows one long after: ended, and never the order's", arguments: [true, false])
    func afterRelease(byPlugin: Bool) async throws {
        let (stage, job, tag) = try await released()
        stage.bench.clock.advance(10_000)
        let extra = try await duplicate(stage, tag)
        if byPlugin {
            try await stage.bench.see(seen(.pending, .plugin, key: JobKey(extra), submit: 1_010_000, tag: tag))
        }
        try await stage.pass(20)
        #expect(stage.fake.state.cancelled == [extra])
        #expect(try await stage.kinds(job) == ["101 submitted", "101 pending"])
        #expect(try await stage.bench.ledger.counts().surplus == 1)
        try await stage.checkSettled()
        // Its end is told as any job's, and ends nothing of the order's.
        #expect(try await stage.bench.story().contains("\(extra) ended CANCELLED final"))
        #expect(try await stage.bench.ledger.summary(ledgerJob: job)?.isFinal == false)
    }

    @Test("one whose tag a plugin removed is known by its second mark; a stranger's job with that mark is left alone")
    func secondMark() async throws {
        let stage = try SubmissionStage(.requestLost, .works)
        stage.fake.change { $0.rewrites = { _ in "site policy 7" } }
        let job = try await stage.accept()
        try await stage.pass(200)
        try await stage.checkSettled()
        let order = try await stage.order()
        let extra = try await duplicate(stage, order.tag)
        let runs = try await duplicate(stage, order.tag)
        stage.fake.start(runs)
        var strange = seen(.pending, key: JobKey(900), submit: 1_000_300)
        strange.session = OrderTag.session(of: order.tag)
        stage.fake.change { $0.list = [strange] }
        try await stage.bench.see(strange)
        try await stage.pass(20)
        #expect(stage.fake.state.cancelled == [extra])
        #expect(try await stage.bench.ledger.counts().surplus == 2)
        #expect(try await stage.bench.ledger.counts().surplusRunning == 1)
        #expect(try await stage.kinds(job).allSatisfy { $0.hasPrefix("\(order.jobID ?? 0) ") })
        #expect(try await stage.bench.story().contains("\(extra) ended CANCELLED final"))
        #expect(try await stage.bench.ledger.verify() == [])
    }

    @Test("after the order's job is over, and after a restart of the agent")
    func afterTheEnd() async throws {
        let (stage, job, tag) = try await released()
        stage.fake.scancel(101)
        try await stage.pass(10)
        #expect(try await stage.bench.ledger.summary(ledgerJob: job)?.isFinal == true)
        let extra = try await duplicate(stage, tag)
        stage.fake.state.reachable = false
        try await stage.poll()
        try await stage.steps()
        stage.bench.ledger.close()
        let reopened = try Ledger(path: stage.bench.folder.ledger, cluster: "lab", now: stage.bench.clock.now)
        let submitter = Submitter(ledger: reopened, scheduler: stage.fake, logger: quiet)
        stage.fake.state.reachable = true
        stage.bench.clock.advance(60)
        while try await submitter.stepDue() {}
        #expect(stage.fake.state.cancelled == [extra])
        #expect(try await reopened.verify() == [])
    }

    @Test("one that runs is told of, left alone, and looked at until it is over")
    func running() async throws {
        let (stage, job, tag) = try await released()
        let extra = try await duplicate(stage, tag)
        stage.fake.start(extra)
        try await stage.pass(20)
        #expect(stage.fake.state.cancelled.isEmpty)
        #expect(try await stage.bench.ledger.counts().surplusRunning == 1)
        #expect(try await stage.kinds(job) == ["101 submitted", "101 pending"])
        stage.fake.scancel(extra)
        try await stage.pass(130)
        #expect(try await stage.bench.ledger.counts().surplusRunning == 0)
        #expect(try await stage.bench.ledger.summary(ledgerJob: job)?.isFinal == false)
        #expect(try await stage.bench.ledger.verify() == [])
    }

    @Test("one that was put back into the queue is ended")
    func requeued() async throws {
        let (stage, _, tag) = try await released()
        let extra = try await duplicate(stage, tag)
        stage.fake.start(extra)
        try await stage.pass(20)
        stage.fake.change { state in
            let index = state.submitted.firstIndex { $0.id == extra }
            index.map { state.submitted[$0].state = .pending }
        }
        try await stage.pass(130, polls: false)
        #expect(stage.fake.state.cancelled == [extra])
    }

    @Test("of a refused order")
    func ofARefusedOrder() async throws {
        let stage = try SubmissionStage(.refused)
        try await stage.accept()
        try await stage.steps()
        let extra = try await duplicate(stage, try await stage.order().tag, working: true)
        try await stage.pass(20)
        #expect(stage.fake.state.cancelled == [extra])
        #expect(try await stage.bench.ledger.verify() == [])
    }

    private func duplicate(_ stage: SubmissionStage, _ tag: String, working: Bool) async throws -> UInt32 {
        stage.fake.state.submissions = [.works]
        return try await duplicate(stage, tag)
    }

    @Test("nothing is let go while one is there that should be ended")
    func notLetGo() async throws {
        let stage = try SubmissionStage(.lateEffect(200), .works)
        stage.fake.state.refusesToCancel = true
        try await stage.accept()
        try await stage.pass(130, polls: false)
        // The second was made at once, the first is there now.
        stage.fake.state.released = []
        let job = try await stage.order()
        try await stage.bench.ledger.transact { transaction in
            try transaction.database.execute(
                sql: "UPDATE jobs SET order_phase = 'submitted', next_at = 0 WHERE id = ?", arguments: [job.ledgerJob])
        }
        stage.bench.clock.advance(80)
        try await stage.pass(60, polls: false)
        #expect(stage.fake.state.released.isEmpty)
        stage.fake.state.refusesToCancel = false
        try await stage.pass(120, polls: false)
        try await stage.checkSettled()
    }

    // MARK: known by its number

    @Test("a run that was seen before the number was known, and whose tag a plugin took, becomes the order's")
    func takenOver() async throws {
        let stage = try SubmissionStage()
        let job = try await stage.accept()
        try await stage.bench.ledger.noteAttempt(job)
        try await stage.bench.see(
            seen(.pending, key: JobKey(101), submit: 1_000_000),
            seen(.failed, .plugin, key: JobKey(101), submit: 1_000_000, start: 1_000_001, end: 1_000_002, exit: 256))
        #expect(try await stage.bench.ledger.list(limit: 9).count == 2)
        try await stage.bench.ledger.noteSubmitted(job, jobID: 101)
        #expect(try await stage.bench.ledger.list(limit: 9).count == 1)
        #expect(try await stage.kinds(job) == ["101 pending", "101 running", "101 ended"])
        let told = try await stage.bench.ledger.dueDeliveries("grid", limit: 9).map(\.transition)
        #expect(told.map(\.kind) == [.pending, .running, .ended])
        #expect(told.allSatisfy { $0.externalID == "0xa" && $0.ledgerJob == job })
        #expect(try await stage.bench.ledger.dueDeliveries("all", limit: 9).count == 3)
        #expect(try await stage.bench.ledger.verify() == [])
    }

    @Test("the number alone makes a run the order's only when the submit time fits")
    func numberUsedAgain() async throws {
        let (stage, job, _) = try await released()
        try await stage.bench.see(
            seen(.running, key: JobKey(101), submit: 1_000_500, start: 1_000_501, name: "another"), force: true)
        #expect(try await stage.kinds(job).last != "101 running")
        #expect(try await stage.bench.ledger.list(limit: 9).count == 2)
    }

    @Test("a job that was there before, with the number that ours gets, stays nobody's")
    func olderJob() async throws {
        let stage = try SubmissionStage()
        try await stage.bench.see(seen(.completed, key: JobKey(101), submit: 900_000, start: 900_001, end: 900_002))
        let job = try await stage.accept()
        try await stage.steps()
        #expect(try await stage.kinds(job) == ["101 submitted", "101 pending"])
        #expect(try await stage.bench.ledger.list(limit: 9).count == 2)
    }

    @Test("a tag that is gone is put back beside what the plugin wrote")
    func putBack() async throws {
        let stage = try SubmissionStage()
        stage.fake.change { $0.rewrites = { _ in "site policy 7" } }
        try await stage.accept()
        try await stage.steps()
        let order = try await stage.order()
        #expect(stage.fake.state.comments == [101: "site policy 7,\(order.tag)"])
        try await stage.checkSettled()
        stage.fake.change { $0.rewrites = { "site;\($0) seen" } }
        try await stage.accept("0xb")
        try await stage.steps()
        #expect(stage.fake.state.comments.count == 1, "it is there")
        try await stage.checkSettled("0xb")
    }

    // MARK: the file

    @Test("verify complains of what must not be")
    func verify() async throws {
        let (stage, job, _) = try await released()
        func findings(_ sql: String) async throws -> [String] {
            try await stage.bench.ledger.transact { try $0.database.execute(sql: sql) }
            return try await stage.bench.ledger.verify()
        }
        stage.fake.scancel(101)
        try await stage.pass(10)
        let open = try await findings("UPDATE runs SET phase = 'running'")
        #expect(open.contains("final, but with a run that is not over: job \(job)"))
        let other = try await findings("UPDATE runs SET number = 102")
        #expect(other.contains("an order with an open run of another Slurm job: job \(job)"))
    }

    @Test("duplicates that an earlier release took for the order's runs become surplus when its file is opened")
    func migration() async throws {
        let folder = try TemporaryFolder()
        let clock = TestClock()
        let queue = try DatabaseQueue(path: folder.ledger)
        try await queue.write { database in
            try database.execute(sql: LedgerSchema.steps[0].sql)
            try database.execute(
                sql: """
                    PRAGMA user_version = 1;
                    INSERT INTO meta VALUES ('cluster', 'lab');
                    INSERT INTO jobs (id, number, part, created_at, gateway, external_id, claim, tag, request, order_phase,
                        attempted_at) VALUES (1, 101, -1, 5, 'grid', '0xa', 1, 'sga:1-0123456789abcdef', x'01', 'released', 500);
                    INSERT INTO runs (job, number, part, submit_time, job_id, restarts, phase, state, details, as_of, told_running)
                        VALUES (1, 101, -1, 500, 101, 0, 'running', 'RUNNING', '{}', 0, 1),
                            (1, 102, -1, 510, 102, 0, 'pending', 'PENDING', '{}', 0, 0),
                            (1, 103, -1, 520, 103, 0, 'pending', 'PENDING', '{}', 0, 0);
                    """)
        }
        try queue.close()
        let ledger = try Ledger(path: folder.ledger, cluster: "lab", now: clock.now)
        #expect(try await ledger.dueSurplus(limit: 9).map(\.jobID).sorted() == [102, 103])
        #expect(try await ledger.list(limit: 9).map(\.jobID) == [103, 102, 101])
        #expect(try await ledger.verify() == [])
        try await ledger.fold(
            Ledger.Intake(observations: [seen(.cancelled, key: JobKey(102), submit: 510, end: 600)]))
        #expect(try await ledger.summary(ledgerJob: 1)?.isFinal == false)
    }
}
