// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import JobLifecycle

/// With records as fed_mgr.c makes them: `fed_mgr_job_revoke()` sets REVOKED alone on the cluster where the job was
/// submitted while it waits or runs elsewhere, and REVOKED beside the state in which it ended there; on the others the job
/// is CANCELLED|REVOKED and gone at once. slurmdbd's row says REVOKED in each case.
@Suite("Jobs that another cluster of the federation has")
struct FederationTests {
    private func follow(_ bench: Bench, _ fake: FakeScheduler) async throws {
        let follower = HintFollower(ledger: bench.ledger, scheduler: fake, logger: quiet)
        while try await follower.followDue() {}
    }

    @Test(
        "submitted here, it runs there: it waits here until it is over there",
        arguments: [SchedulerState.Base.completed, .failed, .cancelled, .nodeFail],
        [JobObservation.Source.controller, .plugin])
    func origin(_ state: SchedulerState.Base, _ source: JobObservation.Source) async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        fake.state.list = [.revoked()]
        try await bench.see(
            seen(.pending), .revoked(.pending, .plugin, end: 600), .revoked(),
            .revoked(.pending, .accounting, end: 600, at: 3000))
        try await follow(bench, fake)
        #expect(try await bench.story() == ["7 pending"])
        #expect(try await bench.ledger.list(limit: 9).map(\.state) == [.revoked])
        try await bench.see(.revoked(state, source, end: 600, at: 4000))
        #expect(try await bench.story() == ["7 pending", "7 ended REVOKED final"])
        let end = try #require(try await bench.ledger.transitions(after: 0, limit: 9).last)
        #expect(end.exitStatus == nil && end.startTime == nil && end.elapsed == nil && end.endTime == 600)
        try await bench.see(
            .revoked(.pending, .accounting, end: 600, at: 5000), .revoked(state, end: 600, at: 5000))
        #expect(try await bench.story().count == 2)
        #expect(try await bench.ledger.verify().isEmpty)
    }

    @Test("a sibling that is taken away, seen by the plugin, by slurmdbd alone, or by nobody before")
    func sibling() async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        try await bench.see(seen(.pending), .revoked(.cancelled, .plugin, end: 600))
        #expect(try await bench.story() == ["7 pending", "7 ended REVOKED final"])
        // The plugin was away, slurmctld has forgotten it.
        try await bench.see(seen(.pending, key: JobKey(8)))
        fake.state.accounting = [.revoked(.pending, .accounting, end: 600, id: 8)]
        try await bench.ledger.addMissing([8])
        try await follow(bench, fake)
        #expect(try await bench.story().suffix(2) == ["8 pending", "8 ended REVOKED final"])
        // Known from slurmdbd only, in the round that looks for ends.
        let catchUp = AccountingCatchUp(
            ledger: bench.ledger, scheduler: fake, interval: .seconds(60), settings: .init(), logger: quiet)
        fake.state.accounting = [.revoked(.pending, .accounting, end: 1_000_000, id: 9)]
        _ = await catchUp.step()
        try await follow(bench, fake)
        #expect(try await bench.story().filter { $0.hasPrefix("9 ") } == ["9 ended REVOKED final"])
        #expect(try await bench.ledger.verify().isEmpty)
    }

    @Test("slurmdbd's row does not end a job that waits on the other cluster, which may give it back")
    func givenBack() async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        fake.state.list = [.revoked()]
        try await bench.see(seen(.pending), .revoked(), .revoked(.pending, .accounting, end: 600))
        try await follow(bench, fake)
        try await bench.see(
            seen(.pending, at: 5000), seen(.running, start: 700, at: 6000),
            seen(.completed, .plugin, start: 700, end: 710, at: 7000))
        #expect(try await bench.story() == ["7 pending", "7 running", "7 ended COMPLETED final"])
    }

    @Test("requeued after it ran there: a run of the same job")
    func requeued() async throws {
        let bench = try Bench()
        let fake = FakeScheduler()
        let next = seen(.pending, submit: 900, restarts: 1, at: 5000)
        fake.state.list = [next]
        fake.state.accounting = [.revoked(.pending, .accounting, end: 600)]
        try await bench.see(seen(.pending), .revoked(), next)
        try await follow(bench, fake)
        #expect(try await bench.story() == ["7 pending", "7 requeued REVOKED", "7 pending"])
        #expect(try await bench.ledger.list(limit: 9).map(\.runs) == [2])
        #expect(try await bench.ledger.verify().isEmpty)
    }
}
