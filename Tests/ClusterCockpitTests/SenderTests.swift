// SPDX-License-Identifier: GPL-3.0-or-later

import JobLifecycle
import NIOConcurrencyHelpers
import Testing

@testable import ClusterCockpit

struct SenderTests {
    @Test func aJobIsStartedAndStoppedOnce() async throws {
        let site = try await SenderHarness()
        try await site.tell(.running, job: 1, id: 7, submitted: 90, start: 100, state: .running)
        try await site.run()
        #expect(site.backend.rows == [7: [.init(start: 100, state: "running")]])
        try await site.tell(.suspended, job: 1, id: 7, submitted: 90, start: 100)
        try await site.tell(.resumed, job: 1, id: 7, submitted: 90, start: 100)
        try await site.run()
        try await site.tell(.ended, job: 1, id: 7, submitted: 90, start: 100, end: 160, state: .timeout)
        try await site.run()
        #expect(site.backend.rows == [7: [.init(start: 100, state: "timeout", end: 160)]])
        #expect(site.backend.requests.count { $0.path == "/jobs/start_job/" } == 1)
        #expect(site.backend.requests.count { $0.path == "/jobs/stop_job/" } == 1)
        try await site.run()
        #expect(try await site.store.nextDue("main") == nil)
    }

    /// slurmctld tells the number only.
    @Test func aUserHasANameAndNotANumber() async throws {
        let site = try await SenderHarness()
        try await site.tell(.running, job: 1, id: 7, submitted: 90, start: 100, state: .running, name: nil)
        try await site.run()
        let start = site.backend.requests.last { $0.path == "/jobs/start_job/" }
        #expect(start?.body.contains(#""user":"bob""#) == true)
    }

    @Test func aJobThatNeverRanIsNotTold() async throws {
        let site = try await SenderHarness()
        try await site.tell(.pending, job: 1, id: 7, submitted: 90)
        try await site.tell(.ended, job: 1, id: 7, submitted: 90, end: 95, state: .cancelled)
        try await site.run()
        #expect(site.backend.requests.allSatisfy { !$0.path.hasPrefix("/jobs/") })
    }

    @Test func whatWasToldBeforeACrashIsToldAgainAndCountsOnce() async throws {
        let site = try await SenderHarness()
        try await site.tell(.running, job: 1, id: 7, submitted: 90, start: 100, state: .running)
        // It arrived, and the answer was lost.
        _ = try await site.backend.send(
            BackendRequest(
                method: .post, path: "/jobs/start_job/", body: Array(#"{"jobId":7,"startTime":100}"#.utf8),
                timeout: .seconds(1)))
        site.backend.script("/jobs/start_job/", .failure(CockpitError(.unavailable, "no answer within 60 s")))
        try await site.run()
        try await site.restart()
        try await site.tell(.ended, job: 1, id: 7, submitted: 90, start: 100, end: 101, state: .completed)
        site.move(120)
        try await site.run()
        #expect(site.backend.rows == [7: [.init(start: 100, state: "completed", end: 101)]])
    }

    @Test func aRefusedJobIsParkedAndHoldsUpNobody() async throws {
        let site = try await SenderHarness()
        try await site.tell(.running, job: 1, id: 7, submitted: 90, start: 100, state: .running)
        try await site.tell(.running, job: 2, id: 8, submitted: 90, start: 100, state: .running)
        site.backend.script("/jobs/start_job/", 400, "no subcluster found for cluster lab and host n1")
        try await site.run()
        #expect(site.backend.rows == [8: [.init(start: 100, state: "running")]])
        let counts = try await site.store.counts("main")
        #expect(counts.parked == 1)
        #expect(try await site.store.list(jobID: 7, limit: 1).first?.row.reason?.contains("no subcluster") == true)
        _ = try await site.store.retry("main", jobID: 7)
        try await site.run()
        #expect(site.backend.rows.keys.sorted() == [7, 8])
    }

    @Test func aBackendThatIsAwayCostsNoJob() async throws {
        let site = try await SenderHarness()
        let failures: [Result<BackendResponse, CockpitError>] = [
            .failure(CockpitError(.unavailable, "connection refused")),
            .success(BackendResponse(status: 502, body: Array("<html>".utf8))),
            .success(BackendResponse(status: 401, body: Array("token".utf8))),
            .success(BackendResponse(status: 302, body: [])),
            .success(BackendResponse(status: 500, body: Array(#"{"error":"database is locked"}"#.utf8))),
        ]
        for failure in failures { site.backend.script("/jobs/start_job/", failure) }
        try await site.tell(.running, job: 1, id: 7, submitted: 90, start: 100, state: .running)
        for _ in failures {
            try await site.run()
            #expect(site.backend.rows.isEmpty)
            site.move(400)
        }
        try await site.run()
        #expect(site.backend.rows == [7: [.init(start: 100, state: "running")]])
        #expect(try await site.store.counts("main").parked == 0)
    }

    @Test("A clock that was years ahead and is set right holds up neither the backend nor a job")
    func aClockThatIsSetBack() async throws {
        let site = try await SenderHarness()
        let years: Int64 = 20 * 365 * 86_400
        site.move(years)
        try await site.tell(.running, job: 1, id: 7, submitted: 90, start: 100, state: .running)
        site.backend.script("/jobs/start_job/", .failure(CockpitError(.unavailable, "connection refused")))
        try await site.run()
        #expect(site.backend.rows.isEmpty)
        site.move(-years)
        await site.sender.recall()
        try await site.run()
        #expect(site.backend.rows == [7: [.init(start: 100, state: "running")]])
    }

    @Test func aStartThatTheBackendLostIsSentAgain() async throws {
        let site = try await SenderHarness()
        try await site.tell(.running, job: 1, id: 7, submitted: 90, start: 100, state: .running)
        try await site.run()
        site.backend.state.withLockedValue { $0.rows = [:] }
        try await site.tell(.ended, job: 1, id: 7, submitted: 90, start: 100, end: 130, state: .failed)
        try await site.run()
        #expect(site.backend.rows == [7: [.init(start: 100, state: "failed", end: 130)]])
    }

    @Test func anUpgradeIsNoticedAndRemembered() async throws {
        let site = try await SenderHarness()
        try await site.store.save("main", .init(release: .v14, cluster: "lab"))
        try await site.tell(.running, job: 1, id: 7, submitted: 90, start: 100, state: .running)
        site.backend.script("/jobs/start_job/", 400, "parsing request body failed: json: unknown field 'exclusive'")
        try await site.run()
        #expect(site.backend.rows == [7: [.init(start: 100, state: "running")]])
        let starts = site.backend.requests.filter { $0.path == "/jobs/start_job/" }.map(\.body)
        #expect(starts.count == 2)
        #expect(starts.first?.contains("exclusive") == true)
        #expect(starts.last?.contains(#""shared":"multi_user""#) == true)
        #expect(try await site.store.backend("main")?.release == .v15)
    }

    @Test func slurmctldIsWaitedForBeforeAStart() async throws {
        let site = try await SenderHarness()
        site.cluster.state.withLockedValue { $0.isAway = true }
        try await site.tell(.running, job: 1, id: 7, submitted: 90, start: 100, state: .running)
        try await site.run()
        #expect(site.backend.rows.isEmpty)
        site.cluster.state.withLockedValue { $0.isAway = false }
        site.move(2)
        try await site.run()
        #expect(site.backend.rows.count == 1)
    }

    @Test func optOutAndIgnoredHostsAreNotTold() async throws {
        let site = try await SenderHarness { $0.ignoreHosts = "n9" }
        try await site.tell(
            .running, job: 1, id: 7, submitted: 90, start: 100, state: .running, comment: "a,disable_cc_submission")
        var capture = JobCapture(submitTime: 90, nodes: [.init(name: "n9")])
        capture.userName = "alice"
        let held = capture
        site.cluster.state.withLockedValue { $0.captures[8] = held }
        try await site.tell(.running, job: 2, id: 8, submitted: 90, start: 100, state: .running)
        try await site.run()
        #expect(site.backend.rows.isEmpty)
        #expect(try await site.store.counts("main").skipped == 2)
    }

    /// A new ledger numbers its jobs from 1 again.
    @Test func anotherJobOfALedgersNumberIsAnotherJob() async throws {
        let site = try await SenderHarness()
        try await site.tell(.running, job: 1, id: 7, submitted: 90, start: 100, state: .running)
        try await site.tell(.ended, job: 1, id: 7, submitted: 90, start: 100, end: 130, state: .completed)
        try await site.run()
        try await site.tell(.running, job: 1, id: 8, submitted: 80, start: 95, state: .running)
        try await site.run()
        #expect(site.backend.rows[7] == [.init(start: 100, state: "completed", end: 130)])
        #expect(site.backend.rows[8] == [.init(start: 95, state: "running")])
    }

    /// Heard of first while it ended, or forgotten since: slurmdbd has all of them, sometimes late.
    @Test(arguments: [nil, "n2"] as [String?])
    func allNodesAreToldOrNone(known: String?) async throws {
        let site = try await SenderHarness()
        func end(_ job: UInt32) async throws {
            let tres = "cpu=2,node=2,billing=2"
            try await site.tell(
                .running, job: Int64(job), id: job, submitted: 90, start: site.seconds, nodes: known, tres: tres)
            try await site.tell(
                .ended, job: Int64(job), id: job, submitted: 90, start: site.seconds, end: site.seconds,
                state: .completed, nodes: known, tres: tres)
            try await site.run()
        }
        func hosts(_ job: UInt32) -> Int? {
            site.backend.requests.last { $0.path == "/jobs/start_job/" && $0.body.contains(#""jobId":\#(job)"#) }
                .map { $0.body.split(separator: #""hostname""#).count - 1 }
        }
        try await end(7)
        #expect(hosts(7) == nil)
        site.cluster.state.withLockedValue { $0.nodes[7] = ["n1", "n2"] }
        site.move(5)
        try await site.run()
        #expect(hosts(7) == 2 && site.backend.rows[7]?.first?.state == "completed")
        // Slurm will say it itself when its nodes are clean.
        site.cluster.state.withLockedValue { $0.incomplete = [8] }
        try await end(8)
        #expect(hosts(8) == nil)
        let capture = JobCapture(submitTime: 90, nodes: [.init(name: "n1"), .init(name: "n2")])
        site.cluster.state.withLockedValue { ($0.incomplete, $0.captures[8]) = ([], capture) }
        site.move(5)
        try await site.run()
        #expect(hosts(8) == 2)
        // Nobody can say it any more.
        site.cluster.state.withLockedValue { $0.hasAccounting = false }
        try await end(9)
        #expect(hosts(9) == nil)
        site.cluster.state.withLockedValue { $0.hasAccounting = true }
        try await end(10)
        site.move(7200)
        try await site.run()
        #expect(hosts(10) == nil)
        #expect(try await site.store.counts("main").parked == 2)
    }

    /// Or they would be without cores for ever.
    @Test func startsWaitForTheBackendsTopology() async throws {
        let site = try await SenderHarness()
        let capture = JobCapture(submitTime: 90, nodes: [.init(name: "n1", cores: [1])])
        site.cluster.state.withLockedValue { $0.captures = [7: capture, 8: capture] }
        for _ in 0..<3 { site.backend.script("/clusters/", 502, "a web page") }
        try await site.tell(.running, job: 1, id: 7, submitted: 90, start: 100, state: .running)
        for _ in 0..<3 {
            try await site.run()
            #expect(site.backend.rows.isEmpty)
            site.move(60)
        }
        try await site.run()
        #expect(site.backend.rows.keys.sorted() == [7])
        let start = site.backend.requests.last { $0.path == "/jobs/start_job/" }
        #expect(start?.body.contains(#""hwthreads":[2]"#) == true)
        // Trouble that is over is shown no more, though nothing is told since.
        await site.sender.fail("connection refused")
        site.move(60)
        #expect(await site.sender.compare(dryRun: true).problem == nil)
        #expect(await site.sender.problem == nil)
        // One that never tells it keeps nobody from being told.
        let other = try await SenderHarness()
        for _ in 0..<100 { other.backend.script("/clusters/", 500, "broken") }
        try await other.tell(.running, job: 1, id: 7, submitted: 90, start: 100, state: .running)
        for _ in 0..<BackendSender.topologyTries {
            try await other.run()
            other.move(60)
        }
        try await other.run()
        #expect(other.backend.rows.keys.sorted() == [7])
    }

    // MARK: requeue

    private func requeued(_ policy: RequeueStorage, closed: Bool = false) async throws -> SenderHarness {
        let site = try await SenderHarness { $0.requeue = policy }
        try await site.tell(.running, job: 1, id: 7, submitted: 90, start: 100, state: .running)
        try await site.run()
        try await site.tell(.requeued, job: 1, id: 7, submitted: 90, start: 100, end: 120)
        try await site.run()
        if closed {
            try await site.tell(.ended, job: 1, id: 7, submitted: 121, end: 140, state: .cancelled)
        } else {
            try await site.tell(.running, job: 1, id: 7, submitted: 121, start: 130, state: .running)
            try await site.run()
            try await site.tell(.ended, job: 1, id: 7, submitted: 121, start: 130, end: 150, state: .completed)
        }
        try await site.run()
        return site
    }

    @Test func replaceKeepsTheLastRun() async throws {
        let site = try await requeued(.replace)
        #expect(site.backend.rows == [7: [.init(start: 130, state: "completed", end: 150)]])
        let closed = try await requeued(.replace, closed: true)
        #expect(closed.backend.rows == [7: [.init(start: 100, state: "cancelled", end: 120)]])
    }

    @Test func firstKeepsTheFirstRun() async throws {
        let site = try await requeued(.first)
        #expect(site.backend.rows == [7: [.init(start: 100, state: "cancelled", end: 120)]])
        #expect(try await site.store.counts("main").skipped == 1)
    }

    @Test func lastEndIsOneRow() async throws {
        let site = try await requeued(.lastEnd)
        #expect(site.backend.rows == [7: [.init(start: 100, state: "completed", end: 150)]])
        let closed = try await requeued(.lastEnd, closed: true)
        #expect(closed.backend.rows == [7: [.init(start: 100, state: "cancelled", end: 120)]])
    }

    /// slurmctld was killed before it saved that it had put the job back: the first run goes on, the second never was.
    @Test(arguments: RequeueStorage.allCases, [false, true])
    func aRunThatIsRestoredGoesOn(policy: RequeueStorage, hasSecondRun: Bool) async throws {
        let site = try await SenderHarness { $0.requeue = policy }
        try await site.tell(.running, job: 1, id: 7, submitted: 90, start: 100, state: .running)
        try await site.run()
        try await site.tell(.requeued, job: 1, id: 7, submitted: 90, start: 100, end: 120)
        try await site.run()
        if hasSecondRun {
            try await site.tell(.running, job: 1, id: 7, submitted: 121, start: 130, state: .running)
            try await site.run()
        }
        try await site.tell(.restored, job: 1, id: 7, submitted: 90, start: 100, end: 120, state: .running)
        try await site.run()
        #expect(site.backend.rows == [7: [.init(start: 100, state: "running")]])
        // What comes late of the second run changes nothing.
        if hasSecondRun { try await site.tell(.requeued, job: 1, id: 7, submitted: 121, start: 130, end: 131) }
        try await site.tell(.ended, job: 1, id: 7, submitted: 90, start: 100, end: 180, state: .completed)
        try await site.run()
        #expect(site.backend.rows == [7: [.init(start: 100, state: "completed", end: 180)]])
    }

    // MARK: comparison

    @Test func whatRunsThereAndNotHereIsStopped() async throws {
        let site = try await SenderHarness()
        // Lost by an old copy of the backend's table; of an earlier feeder; unknown and old; unknown and young.
        try await site.tell(.running, job: 1, id: 7, submitted: 90, start: 100, state: .running)
        try await site.tell(.ended, job: 1, id: 7, submitted: 90, start: 100, end: 160, state: .completed)
        try await site.run()
        let young = site.seconds - 60
        site.backend.state.withLockedValue {
            $0.rows = [
                7: [.init(start: 100, state: "running")], 8: [.init(start: 50, state: "running")],
                9: [.init(start: 60, state: "running")], 10: [.init(start: young, state: "running")],
            ]
        }
        site.cluster.state.withLockedValue {
            $0.past = [PastRun(jobID: 8, submitTime: 40, startTime: 50, endTime: 70, endState: .failed, job: "8")]
        }
        let dry = await site.sender.compare(dryRun: true)
        #expect(Set(dry.items.map { "\($0.action.rawValue) \($0.slurmJob)" }) == ["stop 7", "stop 8", "unknown 9"])
        try await site.run()
        #expect(site.backend.rows.values.allSatisfy { $0.allSatisfy { $0.state == "running" } })
        _ = await site.sender.compare(dryRun: false)
        try await site.run()
        #expect(site.backend.rows[7] == [.init(start: 100, state: "completed", end: 160)])
        #expect(site.backend.rows[8] == [.init(start: 50, state: "failed", end: 70)])
        #expect(site.backend.rows[9]?.first?.state == "running")
        #expect(site.backend.rows[10]?.first?.state == "running")
    }

    @Test func stopUnknownStopsOldRowsOnly() async throws {
        let site = try await SenderHarness { $0.stopsUnknown = true }
        let young = site.seconds - 60
        site.backend.state.withLockedValue {
            $0.rows = [9: [.init(start: 60, state: "running")], 10: [.init(start: young, state: "running")]]
        }
        _ = await site.sender.compare(dryRun: false)
        try await site.run()
        #expect(site.backend.rows[9] == [.init(start: 60, state: "failed", end: site.seconds)])
        #expect(site.backend.rows[10]?.first?.state == "running")
    }

    @Test func aClockThatIsSetForwardStopsNoRow() async throws {
        let site = try await SenderHarness { $0.stopsUnknown = true }
        let start = site.seconds - 60
        site.backend.state.withLockedValue { $0.rows = [9: [.init(start: start, state: "running")]] }
        site.set(ahead: 3 * 365 * 86_400)
        #expect(await site.sender.compare(dryRun: false).items.isEmpty)
        // So much time has passed, whatever the clock shows.
        site.move(86_400)
        #expect(await site.sender.compare(dryRun: false).items.count == 1)
    }

    /// A start may be in the backend's cache, which no list shows.
    @Test func aStartIsSentAgainOnlyLongAfterItWasTaken() async throws {
        let site = try await SenderHarness()
        try await site.tell(.running, job: 1, id: 7, submitted: 90, start: 100, state: .running)
        try await site.run()
        site.backend.state.withLockedValue { $0.rows = [:] }
        #expect(await site.sender.compare(dryRun: false).items.isEmpty)
        try await site.run()
        #expect(site.backend.rows.isEmpty)
        site.move(BackendSender.graceSeconds)
        #expect(await site.sender.compare(dryRun: false).items.count == 1)
        try await site.run()
        #expect(site.backend.rows == [7: [.init(start: 100, state: "running")]])
    }
}
