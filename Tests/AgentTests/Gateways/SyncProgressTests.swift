// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Agent
@testable import ClusterCockpit

/// What `clustercockpit sync` waits for.
struct SyncProgressTests {
    private static func status(_ waiting: Int, told: UInt64 = 0, away: Int = 0) -> CockpitStatus {
        func backend(_ waiting: Int, _ told: UInt64, _ problem: String?) -> CockpitStatus.Backend {
            .init(
                name: "b", url: "u", waiting: waiting, running: 0, parked: 0, skipped: 0, starts: told, stops: 0,
                failed: 0,
                refused: 0, problem: problem)
        }
        return CockpitStatus(cluster: "c", backends: [backend(waiting, told, nil), backend(away, 0, "it is away")])
    }

    @Test func untilAllIsTold() {
        var progress = SyncProgress(Self.status(3, told: 7, away: 9))
        #expect(progress.isUnderWay && progress.total == 3)
        progress.take(Self.status(2, told: 8, away: 9))
        #expect(progress.isUnderWay && progress.done == 1)
        // More may come all the time.
        progress.take(Self.status(5, told: 10, away: 9))
        #expect(!progress.isUnderWay && progress.done == 3 && progress.left == 0)
        #expect(!SyncProgress(Self.status(0, told: 7, away: 9)).isUnderWay)
    }

    @Test func whatDoesNotMoveIsNotWaitedForForEver() {
        var progress = SyncProgress(Self.status(3, told: 7))
        for _ in 0..<SyncProgress.patience - 1 { progress.take(Self.status(2, told: 7)) }
        #expect(progress.isUnderWay)
        progress.take(Self.status(2, told: 8))
        #expect(progress.isUnderWay)
        for _ in 0..<SyncProgress.patience { progress.take(Self.status(2, told: 8)) }
        #expect(!progress.isUnderWay && progress.left == 2)
    }

    @Test func anAgentThatHasStartedAgainCountsFromItsStart() {
        var progress = SyncProgress(Self.status(3, told: 70))
        progress.take(Self.status(2, told: 1))
        #expect(progress.isUnderWay && progress.done == 1)
        progress.take(Self.status(0, told: 3))
        #expect(!progress.isUnderWay)
    }
}
