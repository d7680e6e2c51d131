// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import GRDB
import NIOConcurrencyHelpers
import Testing

@testable import JobLifecycle

/// Polls, hints and the catch-up on the Slurm of a ``LateWorld``, one party of which is late; an agent that dies is started
/// again on what was on the disk.
private final class LateWatch: @unchecked Sendable {
    enum Plugin: String, CaseIterable {
        /// Its records come as they are made, a minute late, or never.
        case prompt, late, none
    }

    private let world: LateWorld
    private let clock = TestClock(Double(LateWorld.start))
    private let plugin: Plugin
    private var folder: TemporaryFolder
    private let next: TemporaryFolder
    private(set) var ledger: Ledger
    private var reconciler: Reconciler?
    private var driver: HintDriver?
    private var catchUp: AccountingCatchUp?
    private var disk: LateDisk?
    private var records: [(at: Double, seen: JobObservation)]

    init(
        _ world: LateWorld, _ rule: LateScheduler.Rule?, plugin: Plugin,
        disk fault: (LateDisk.Fault, commit: Int)? = nil
    ) async throws {
        self.world = world
        self.plugin = plugin
        records = plugin == .none ? [] : world.records.map { ($0.at + (plugin == .late ? 60 : 0), $0.seen) }
        folder = try TemporaryFolder()
        next = try TemporaryFolder()
        ledger = try Self.open(folder, clock)
        start(rule)
        guard let fault else { return }
        let (from, to, clock) = (folder.path, next.path, clock)
        let disk = LateDisk(fault.0, commit: fault.commit + 1, passTime: { clock.advance(20) }) {
            LateDisk.copy("ledger.sqlite", from: from, to: to)
        }
        self.disk = disk
        try await ledger.transact { $0.database.add(transactionObserver: disk, extent: .databaseLifetime) }
    }

    var isMet: Bool { disk?.isDone ?? true }

    private static func open(_ folder: TemporaryFolder, _ clock: TestClock) throws -> Ledger {
        try Ledger(
            path: folder.ledger, cluster: "lab", interests: [.init(gateway: "all", scope: .everything)], now: clock.now)
    }

    private func start(_ rule: LateScheduler.Rule?) {
        let slurm = LateScheduler(WorldScheduler(world, clock), clock, rule) { [unowned self] in try? await tell() }
        let time = TestTime(clock: clock)
        reconciler = Reconciler(ledger: ledger, scheduler: slurm, logger: quiet)
        driver = HintDriver(
            ledger: ledger, scheduler: slurm, settings: HintFollower.Settings(), limits: HintQueue.Limits(),
            logger: quiet, clock: time)
        catchUp = AccountingCatchUp(
            ledger: ledger, scheduler: slurm, interval: .seconds(60), settings: CatchUpPlan.Settings(), logger: quiet,
            clock: time)
    }

    private func restartIfDead() throws {
        guard disk?.isDead == true else { return }
        ledger.close()
        disk = nil
        folder = next
        ledger = try Self.open(folder, clock)
        start(nil)
    }

    private func now() -> Double { clock.now().timeIntervalSince1970 - Double(LateWorld.start) }

    /// What the plugin has to tell: it keeps what the ledger did not take.
    private func tell() async throws {
        while let first = records.first, first.at <= now() {
            let seen = first.seen.at((LateWorld.start + Int64(first.at)) * 1_000_000)
            try await ledger.fold(Ledger.Intake(observations: [seen]))
            records.removeFirst()
        }
    }

    private func attempt(_ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch {
            guard error is LedgerError || error is SchedulerError else { throw error }
        }
        try restartIfDead()
    }

    func play() async throws {
        for round in 0..<90 where !(try await isOver()) {
            try await attempt { try await tell() }
            try await attempt { try await reconciler?.poll(sweep: round % 3 == 0) }
            try await attempt { while disk?.isDead != true, try await driver?.followDue() == true {} }
            if round % 2 == 0 { _ = await catchUp?.step() }
            try restartIfDead()
            clock.advance(20)
        }
    }

    /// Long after the last that happens nothing is open any more.
    private func isOver() async throws -> Bool {
        guard now() > (world.moments.last?.at ?? 0) + 100, records.isEmpty else { return false }
        let counts = try await ledger.counts()
        return counts.jobs > 0 && counts.hints == 0 && counts.vanishedHints == questions && counts.openRuns == 0
    }

    /// Of a vanished run slurmdbd is asked for days whether it has learned its end.
    private var questions: Int { world.end.contains { $0.contains("vanished") } ? 1 : 0 }

    func check(_ row: String) async throws {
        let story = try await ledger.transitions(after: 0, limit: 100).filter {
            ![.pending, .suspended, .resumed].contains($0.kind)
        }.map { transition in
            let state = transition.kind == .running ? nil : transition.state?.rawValue
            return
                ([transition.job ?? "-", transition.kind.rawValue] + [state].compactMap { $0 }
                + (transition.isFinal ? ["final"] : [])).joined(separator: " ")
        }
        #expect(story == world.end, "\(row)")
        #expect(try await ledger.verify() == [], "\(row)")
        let counts = try await ledger.counts()
        #expect(counts.hints == 0 && counts.vanishedHints == questions && counts.openRuns == 0, "\(row)")
    }
}

@Suite("A job's end, whoever is late")
struct LateAnswerTests {
    @Test("slurmctld, slurmdbd, the plugin", arguments: LateWorld.all)
    func slurm(_ world: LateWorld) async throws {
        let rules = LateScheduler.Rule.all([.list, .look, .accounting, .ended])
        func play(_ rule: LateScheduler.Rule?, _ plugin: LateWatch.Plugin) async throws {
            let watch = try await LateWatch(world, rule, plugin: plugin)
            try await watch.play()
            try await watch.check("\(world.name), \(rule?.testDescription ?? "nobody"), plugin \(plugin.rawValue)")
        }
        for rule in rules { try await play(rule, .none) }
        for plugin in LateWatch.Plugin.allCases {
            try await play(nil, plugin)
            // What the plugin tells may overtake what was asked for before.
            for rule in rules where rule.lateness == .lateAnswer { try await play(rule, plugin) }
        }
    }

    @Test("the ledger's disk, at each commit", arguments: LateWorld.all)
    func disk(_ world: LateWorld) async throws {
        for fault in LateDisk.Fault.all where fault != .slow {
            for commit in 0..<20 {
                let watch = try await LateWatch(world, nil, plugin: .prompt, disk: (fault, commit))
                try await watch.play()
                try await watch.check("\(world.name), \(fault), commit \(commit)")
                if !watch.isMet { break }
            }
        }
    }
}
