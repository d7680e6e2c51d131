// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import GRDB
import Testing

@testable import JobLifecycle

/// The wall clock is set forward by years, while the agent runs or before it starts.
@Suite("A wall clock that is set forward")
struct WrongClockTests {
    private static let day: Double = 86_400
    private static let years: Double = 5 * 365 * day

    /// A ledger with both clocks, and three jobs that ended and were told.
    private final class Site {
        let folder: TemporaryFolder
        let wall = TestClock(1_700_000_000)
        /// Of the process.
        var steady = TestClock(0)
        var ledger: Ledger

        init() async throws {
            folder = try TemporaryFolder()
            ledger = try Self.open(folder, wall, steady)
            for id in 1...3 { try await end(UInt32(id)) }
        }

        /// A job that ended, and was told.
        func end(_ id: UInt32) async throws {
            try await ledger.fold(
                Ledger.Intake(observations: [seen(.completed, key: JobKey(id), start: 490, end: 495)]))
            while case let due = try await ledger.dueDeliveries("all", limit: 100), !due.isEmpty {
                try await ledger.record(
                    due.map { .init(sequence: $0.transition.sequence, outcome: .delivered, next: 0) }, of: "all")
            }
        }

        private static func open(_ folder: TemporaryFolder, _ wall: TestClock, _ steady: TestClock) throws -> Ledger {
            try Ledger(
                path: folder.ledger, cluster: "lab", interests: [.init(gateway: "all", scope: .everything)],
                now: wall.now, steady: steady.now)
        }

        func pass(_ seconds: Double) {
            wall.advance(seconds)
            steady.advance(seconds)
        }

        func restart() throws {
            ledger.close()
            steady = TestClock(0)
            ledger = try Self.open(folder, wall, steady)
        }

        /// - Returns: how many jobs went.
        func prune() async throws -> Int { try await ledger.prune(olderThan: .seconds(30 * Int64(day))) }
    }

    @Test("prunes nothing, until the clock is believed and has been for as long")
    func jump() async throws {
        let site = try await Site()
        site.pass(3600)
        #expect(try await site.prune() == 0)
        site.wall.advance(Self.years)
        #expect(try await site.prune() == 0)
        site.pass(Self.day - 60)
        #expect(try await site.prune() == 0)
        site.pass(120)
        #expect(try await site.prune() == 0)
        site.pass(30 * Self.day - 60)
        #expect(try await site.prune() == 0)
        site.pass(120)
        #expect(try await site.prune() == 3)
    }

    @Test("what is recorded under one that is far behind stays as long as ever once it is right, over restarts too")
    func putRight() async throws {
        for restarts in [false, true] {
            let site = try await Site()
            site.pass(3600)
            site.wall.advance(-Self.years)
            if restarts { try site.restart() }
            #expect(try await site.prune() == 0)
            try await site.end(4)
            try await site.ledger.transact {
                try $0.insertDelivery(of: 1, job: 1, to: "missing")
                try Ledger.noteUnconfigured($0.database, "missing", at: $0.now / 1_000_000)
            }
            site.pass(3600)
            site.wall.advance(Self.years)
            for _ in 0..<29 {
                #expect(try await site.prune() == 0)
                site.pass(Self.day)
            }
            try site.restart()
            #expect(try await site.prune() == 0)
            #expect(try await site.ledger.unconfigured().map(\.deliveries) == [1])
            site.pass(2 * Self.day)
            #expect(try await site.prune() == 4)
        }
    }

    @Test("one that was ahead for so long that it was believed, and is put right, keeps nothing for years")
    func believedAndPutRight() async throws {
        let site = try await Site()
        site.wall.advance(Self.years)
        #expect(try await site.prune() == 0)
        site.pass(Self.day + 60)
        #expect(try await site.prune() == 0)
        site.wall.advance(-Self.years)
        #expect(try await site.prune() == 0)
        site.pass(31 * Self.day)
        #expect(try await site.prune() == 3)
    }

    @Test("where rows stay for a day only, a clock that was behind by three keeps them as long")
    func shortRetention() async throws {
        let site = try await Site()
        func prune() async throws -> Int { try await site.ledger.prune(olderThan: .seconds(86_400)) }
        site.wall.advance(-3 * Self.day)
        try await site.end(4)
        site.pass(60)
        #expect(try await prune() == 0)
        site.wall.advance(3 * Self.day)
        site.pass(Self.day - 120)
        #expect(try await prune() == 0)
        site.pass(Self.day)
        #expect(try await prune() == 4)
    }

    @Test("no job vanishes because one that was behind is put right")
    func vanishingWhenPutRight() async throws {
        let site = try await Site()
        try await site.ledger.fold(Ledger.Intake(observations: [seen(.running, key: JobKey(9), start: 490)]))
        site.wall.advance(-3600)
        #expect(try await miss(site) == 1)
        site.wall.advance(3600)
        #expect(try await miss(site) == 1)
        site.pass(61)
        #expect(try await miss(site) == 0)
    }

    @Test("prunes nothing after it is set back, and what is really old goes meanwhile")
    func back() async throws {
        let site = try await Site()
        site.wall.advance(Self.years)
        #expect(try await site.prune() == 0)
        site.wall.advance(-Self.years)
        #expect(try await site.prune() == 0)
        site.pass(29 * Self.day)
        #expect(try await site.prune() == 0)
        site.wall.advance(Self.years)
        site.pass(3600)
        #expect(try await site.prune() == 0)
        site.pass(3600)
        site.wall.advance(-Self.years)
        site.pass(Self.day)
        #expect(try await site.prune() == 3)
    }

    @Test("prunes nothing after restarts under that clock, each of which begins the day again")
    func restarts() async throws {
        let site = try await Site()
        try site.restart()
        for _ in 0..<3 {
            site.wall.advance(Self.years)
            try site.restart()
            #expect(try await site.prune() == 0)
            site.pass(Self.day / 2)
            #expect(try await site.prune() == 0)
            // What is recorded now is dated by the wrong clock.
            try await site.ledger.fold(
                Ledger.Intake(observations: [seen(.running, key: JobKey(9), start: 490)]), force: true)
        }
        site.pass(Self.day)
        #expect(try await site.prune() == 0)
        site.pass(30 * Self.day)
        #expect(try await site.prune() == 3)
    }

    @Test("a ledger of an earlier release, which kept no time, is measured by its newest transition")
    func earlierRelease() async throws {
        let site = try await Site()
        try await site.ledger.transact { try $0.database.execute(sql: "DELETE FROM meta WHERE name = 'clock'") }
        site.wall.advance(Self.years)
        try site.restart()
        #expect(try await site.prune() == 0)
    }

    @Test("an agent that was switched off for less than a week goes on at once")
    func shortPause() async throws {
        let site = try await Site()
        site.pass(26 * Self.day)
        #expect(try await site.prune() == 0)
        site.wall.advance(5 * Self.day)
        try site.restart()
        #expect(try await site.prune() == 3)
    }

    @Test("no job vanishes by it")
    func vanishing() async throws {
        let site = try await Site()
        try await site.ledger.fold(Ledger.Intake(observations: [seen(.running, key: JobKey(9), start: 490)]))
        #expect(try await miss(site) == 1)
        site.wall.advance(Self.years)
        #expect(try await miss(site) == 1)
        site.pass(61)
        #expect(try await miss(site) == 0)
    }

    /// An answer that has no job 9.
    /// - Returns: how many runs of it are still open.
    private func miss(_ site: Site) async throws -> Int {
        try await site.ledger.transact { transaction in
            let run = try Ledger.openRuns(of: 9, transaction.database)
            return try transaction.countMissing(run, interval: .seconds(60), reason: "gone").count
        }
    }
}
