// SPDX-License-Identifier: GPL-3.0-or-later

import GRDB
import Testing

@testable import JobLifecycle

/// An order whose Slurm or ledger is late once; an agent that dies is started again on what was on the disk.
private final class LateOrder {
    enum Story: String, CaseIterable {
        case plain, answerLost, lateEffect, twoJobs, tagRemoved, startsAtOnce, withdrawn
    }

    let story: Story
    let clock = TestClock()
    let fake: FakeScheduler
    private let rule: LateScheduler.Rule?
    private var folder: TemporaryFolder
    private let next: TemporaryFolder
    private(set) var ledger: Ledger
    private var slurm: LateScheduler
    private var submitter: Submitter
    private var disk: LateDisk?

    init(_ story: Story, _ rule: LateScheduler.Rule?, disk fault: (LateDisk.Fault, commit: Int)? = nil) async throws {
        self.story = story
        self.rule = rule
        folder = try TemporaryFolder()
        next = try TemporaryFolder()
        fake = FakeScheduler(clock: clock)
        ledger = try Self.open(folder, clock)
        slurm = LateScheduler(fake, clock, rule)
        submitter = Submitter(ledger: ledger, scheduler: slurm, logger: quiet, clock: TestTime(clock: clock))
        switch story {
        case .plain: break
        case .answerLost: fake.state.submissions = [.answerLost, .works]
        case .lateEffect, .withdrawn: fake.state.submissions = [.lateEffect(25), .works]
        case .twoJobs: fake.state.submissions = [.lateEffect(200), .works]
        case .tagRemoved: fake.state.rewrites = { _ in "site policy 7" }
        case .startsAtOnce:
            fake.state.submissions = [.lateEffect(25), .works]
            fake.state.startsAtOnce = true
        }
        guard let fault else { return }
        let (from, to, slurm, clock) = (folder.path, next.path, slurm, clock)
        // The transaction that brings it in counts, too.
        let disk = LateDisk(fault.0, commit: fault.commit + 1, passTime: { clock.advance(30) }) {
            LateDisk.copy("ledger.sqlite", from: from, to: to)
            slurm.die()
        }
        self.disk = disk
        try await ledger.transact { $0.database.add(transactionObserver: disk, extent: .databaseLifetime) }
    }

    private static func open(_ folder: TemporaryFolder, _ clock: TestClock) throws -> Ledger {
        try Ledger(
            path: folder.ledger, cluster: "lab", interests: [.init(gateway: "grid", scope: .ownJobs)], now: clock.now)
    }

    /// Whether the fault was met.
    var isMet: Bool { disk?.isDone ?? true }

    private func restartIfDead() throws {
        guard disk?.isDead == true else { return }
        ledger.close()
        disk = nil
        folder = next
        ledger = try Self.open(folder, clock)
        slurm = LateScheduler(fake, clock, nil)
        submitter = Submitter(ledger: ledger, scheduler: slurm, logger: quiet, clock: TestTime(clock: clock))
    }

    /// As a gateway does: again, until it is taken.
    private func insist(_ body: (Ledger) async throws -> Void) async throws {
        for _ in 0..<3 {
            do { return try await body(ledger) } catch is LedgerError { try restartIfDead() }
        }
        Issue.record("never taken")
    }

    private func steps() async throws {
        while disk?.isDead != true, try await submitter.stepDue() {}
        guard disk?.isDead == true else { return }
        try restartIfDead()
        while try await submitter.stepDue() {}
    }

    func play() async throws {
        let order = JobOrder(gateway: "grid", externalID: "0xa", request: [1])
        try await insist { try await $0.accept(order) }
        if story == .withdrawn {
            try await steps()
            try await insist { _ = try await $0.withdraw("grid", "0xa", claim: 1, why: "taken back") }
            // One that was let go before the gateway ends itself.
            let order = try await ledger.order("grid", "0xa", claim: 1)
            if order?.phase == .released, let job = order?.jobID { fake.scancel(job) }
        }
        // The second of two jobs comes after 200 s.
        let least = story == .twoJobs ? 25 : 8
        for round in 0..<90 {
            if round >= least, try await isSettled() { break }
            try await steps()
            clock.advance(round < 30 ? 10 : 60)
            let seen = fake.jobs.map(\.observation)
            try await insist { try await $0.fold(Ledger.Intake(observations: seen)) }
        }
        try await steps()
    }

    private func isSettled() async throws -> Bool {
        let phase = try await ledger.order("grid", "0xa", claim: 1)?.phase
        guard phase == .released || phase == .refused else { return false }
        return try await ledger.nextSurplusTime() == nil
    }

    func check(_ row: String) async throws {
        let order = try #require(try await ledger.order("grid", "0xa", claim: 1))
        let alive = fake.jobs.filter { $0.endedAt == nil }.map(\.id)
        let told = try await ledger.transitions(of: "grid", "0xa", claim: 1)
        let kinds = told.map { "\($0.jobID ?? 0) \($0.kind.rawValue)" }
        #expect(try await ledger.verify() == [], "\(row)")
        #expect(try await ledger.dueSurplus(limit: 9).isEmpty, "\(row)")
        #expect(Set(kinds).count == kinds.count, "\(row): \(kinds)")
        if story == .withdrawn {
            #expect(alive.isEmpty, "\(row)")
            #expect(told.last?.kind == .ended || told.last?.kind == .refused, "\(row): \(kinds)")
            #expect(fake.state.submitted.count <= 1, "\(row)")
            return
        }
        #expect(order.phase == .released, "\(row)")
        #expect(alive == [order.jobID].compactMap { $0 }, "\(row)")
        #expect(Set(fake.state.released) == [order.jobID ?? 0], "\(row)")
        #expect(fake.state.submitted.count <= (story == .twoJobs ? 2 : 1), "\(row)")
        // A slurmctld that takes no change for minutes holds up no start.
        if story == .tagRemoved, rule?.call != .setTag || rule?.lateness != .slowThenRight {
            #expect(fake.state.comments[order.jobID ?? 0]?.hasSuffix(order.tag) == true, "\(row)")
        }
    }
}

@Suite("One job an order, whoever is late")
struct LateSubmitterTests {
    private static let rules = LateScheduler.Rule.all([
        .look, .release, .cancel, .setTag, .settle, .find, .timing, .tagged,
    ])

    @Test("slurmctld", arguments: rules)
    func slurm(_ rule: LateScheduler.Rule) async throws {
        for story in LateOrder.Story.allCases {
            let order = try await LateOrder(story, rule)
            try await order.play()
            try await order.check(story.rawValue)
        }
    }

    @Test("the ledger's disk, at each commit", arguments: LateDisk.Fault.all)
    func disk(_ fault: LateDisk.Fault) async throws {
        for story in LateOrder.Story.allCases {
            for commit in 0..<20 {
                let order = try await LateOrder(story, nil, disk: (fault, commit))
                try await order.play()
                try await order.check("\(story.rawValue), commit \(commit)")
                // There are no more.
                if !order.isMet { break }
            }
        }
    }
}
