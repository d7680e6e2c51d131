// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import JobLifecycle
import NIOConcurrencyHelpers

/// Opens a ledger and measures what its agent does with it.
struct Meter {
    let path: String
    let cluster: String

    private static let commits = 600
    private static let commitEvery = Duration.milliseconds(5)

    func measure() async throws -> [String: Double] {
        var figures: [String: Double] = [:]
        let start = ContinuousClock.now
        let ledger = try Ledger(path: path, cluster: cluster, interests: ScaleDriver.interests)
        _ = try await ledger.marks()
        figures["open_ms"] = start.duration(to: .now).milliseconds
        figures["checked_at_start"] = ledger.wasChecked ? 1 : 0
        figures["jobs"] = Double(try await ledger.counts().jobs)
        figures["counts_max_ms"] = try await slowest { _ = try await ledger.counts() }
        figures["backlogs_max_ms"] = try await slowest { _ = try await ledger.backlogs() }
        for (name, filter) in [("all", .all), ("open", .open), ("waiting", .waiting), ("parked", .parked)]
            as [(String, Ledger.Filter)]
        {
            figures["list_\(name)_max_ms"] = try await slowest { _ = try await ledger.list(filter, limit: 50) }
        }
        figures["show_max_ms"] = try await slowest { _ = try await ledger.summaries(ofJob: 4_000) }
        let quiet = try await commit(ledger, from: 3_000_000_000)
        figures["commit_p50_ms"] = quiet[quiet.count / 2]
        figures["commit_p99_ms"] = quiet[quiet.count * 99 / 100]
        figures["commit_max_ms"] = quiet[quiet.count - 1]
        try await prune(ledger, &figures)
        figures["check_slice_max_ms"] = try await check(ledger)
        ledger.close()
        return figures
    }

    private func slowest(_ body: () async throws -> Void) async rethrows -> Double {
        var most = 0.0
        for _ in 0..<20 {
            let start = ContinuousClock.now
            try await body()
            most = max(most, start.duration(to: .now).milliseconds)
        }
        return most
    }

    /// Ends of new jobs, one after the other; how long each waited for its commit, sorted.
    private func commit(_ ledger: Ledger, from first: UInt32) async throws -> [Double] {
        var times: [Double] = []
        let now = Int64(Date().timeIntervalSince1970)
        for index in 0..<Self.commits {
            let seen = JobObservation.scaled(first + UInt32(index), 3, submitted: now)
            let start = ContinuousClock.now
            try await ledger.fold(Ledger.Intake(observations: [seen]))
            times.append(start.duration(to: .now).milliseconds)
            try await Task.sleep(for: Self.commitEvery)
        }
        return times.sorted()
    }

    /// Half of the jobs are older than is asked for; as many go as in the time of the commits.
    private func prune(_ ledger: Ledger, _ figures: inout [String: Double]) async throws {
        let holds = NIOLockedValueBox<[Double]>([])
        let isOver = NIOLockedValueBox(false)
        let before = try await ledger.counts().jobs
        let start = ContinuousClock.now
        async let pruning = ledger.prune(olderThan: .seconds(30 * 86_400)) { took async throws(CancellationError) in
            holds.withLockedValue { $0.append(took.milliseconds) }
            // As the agent does.
            try? await Task.sleep(for: max(.milliseconds(20), took * 4))
            if isOver.withLockedValue({ $0 }) { throw CancellationError() }
        }
        let busy = try await commit(ledger, from: 3_100_000_000)
        isOver.withLockedValue { $0 = true }
        _ = try await pruning
        let gone = before + Self.commits - (try await ledger.counts().jobs)
        let sorted = holds.withLockedValue { $0.sorted() }
        figures["pruned"] = Double(gone)
        figures["pruned_per_s"] = Double(gone) / (start.duration(to: .now) / .seconds(1))
        figures["prune_hold_max_ms"] = sorted.last ?? 0
        figures["prune_hold_p50_ms"] = sorted.isEmpty ? 0 : sorted[sorted.count / 2]
        figures["commit_during_prune_p50_ms"] = busy[busy.count / 2]
        figures["commit_during_prune_p99_ms"] = busy[busy.count * 99 / 100]
        figures["commit_during_prune_max_ms"] = busy[busy.count - 1]
    }

    /// A few hundred slices of the check that goes on in the background.
    private func check(_ ledger: Ledger) async throws -> Double {
        var position = Ledger.CheckPosition()
        var most = 0.0
        for _ in 0..<300 {
            let start = ContinuousClock.now
            let goesOn = try await ledger.check(&position)
            most = max(most, start.duration(to: .now).milliseconds)
            if !goesOn { break }
        }
        return most
    }
}
