// SPDX-License-Identifier: GPL-3.0-or-later

/// slurmctld's list as it was a moment ago, shared by all who ask: slurmctld is asked once a second at most, and once more
/// after each change that this gateway made itself.
actor QueueIndex {
    struct Snapshot: Sendable {
        var jobs: [UInt32: ListedJob]
        /// JSON with its line end.
        var running: String
        var queued: String
        /// When it was asked for.
        var askedAt: ContinuousClock.Instant
    }

    private let cluster: any JarviceCluster
    private let lifetime: Duration
    private let limit: Duration
    private var snapshot: Snapshot?
    private var changedAt: ContinuousClock.Instant?
    private var loading: Task<Result<Snapshot, JarviceError>, Never>?

    init(_ cluster: any JarviceCluster, lifetime: Duration = .seconds(1), limit: Duration) {
        self.cluster = cluster
        self.lifetime = lifetime
        self.limit = limit
    }

    /// What was asked before this moment is old.
    func changed() { changedAt = .now }

    func current() async throws(JarviceError) -> Snapshot {
        if let snapshot, isGood(snapshot, at: .now) { return snapshot }
        let wanted = changedAt
        // One that is under way may be from before the change.
        for _ in 0..<2 {
            let found = try await load()
            if wanted.map({ found.askedAt >= $0 }) ?? true { return found }
        }
        throw JarviceError(.unavailable, "slurmctld's list is not up to date")
    }

    private func isGood(_ snapshot: Snapshot, at now: ContinuousClock.Instant) -> Bool {
        snapshot.askedAt + lifetime > now && (changedAt.map { snapshot.askedAt >= $0 } ?? true)
    }

    private func load() async throws(JarviceError) -> Snapshot {
        let task: Task<Result<Snapshot, JarviceError>, Never>
        if let loading {
            task = loading
        } else {
            task = Task { [cluster] in
                let asked = ContinuousClock.now
                let result = await Self.ask(cluster, asked)
                if case .success(let found) = result { snapshot = found }
                loading = nil
                return result
            }
            loading = task
        }
        // A list that hangs holds up no caller for longer; the next one finds it still under way.
        return try await Deadline.within(limit, "slurmctld") { await task.value }
    }

    private static func ask(
        _ cluster: any JarviceCluster, _ asked: ContinuousClock.Instant
    ) async -> Result<Snapshot, JarviceError> {
        do throws(JarviceError) {
            let jobs = try await cluster.jobs(prefix: JobPlan.prefix)
            return .success(
                Snapshot(
                    jobs: Dictionary(jobs.map { ($0.id, $0) }, uniquingKeysWith: { $1 }),
                    running: QueueLists.running(jobs).text + "\n", queued: QueueLists.queued(jobs).text + "\n",
                    askedAt: asked))
        } catch {
            return .failure(error)
        }
    }
}
