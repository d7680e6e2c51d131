// SPDX-License-Identifier: GPL-3.0-or-later

/// What an administrator sees of the gateway. No token is ever in here.
public struct CockpitStatus: Codable, Sendable, Hashable {
    public struct Backend: Codable, Sendable, Hashable {
        public var name: String
        public var url: String
        /// As found; nil: it has not answered yet.
        public var release: String?
        /// Rows with something to tell, and those told as running.
        public var waiting: Int
        public var running: Int
        public var parked: Int
        public var skipped: Int
        /// Rows that were published, and that the backend's list did not have yet; nil: it is told by HTTP.
        public var unconfirmed: Int?
        public var starts: UInt64
        public var stops: UInt64
        public var failed: UInt64
        public var refused: UInt64
        /// When its running rows were compared last, Unix seconds.
        public var comparedAt: Int64?
        /// Why it cannot be told now.
        public var problem: String?
    }

    public var cluster: String
    public var backends: [Backend]
}

/// One run at one backend.
public struct CockpitJob: Codable, Sendable, Hashable {
    public var backend: String
    public var job: String
    public var slurmJob: UInt32
    public var start: Int64
    public var end: Int64?
    /// `none`, `running`, `stopped`, `deleted`, `skipped`, `parked`.
    public var phase: String
    public var isOpen: Bool
    public var state: String?
    public var attempts: Int
    public var reason: String?
    /// Where its cores come from.
    public var placementSource: String?
    public var nodes: [String]
}

extension BackendSender {
    func status(url: String) async throws(CockpitError) -> CockpitStatus.Backend {
        let counts = try await store.counts(name)
        let record = try await store.backend(name)
        return .init(
            name: name, url: url, release: (release ?? record?.release)?.rawValue, waiting: counts.waiting,
            running: counts.running, parked: counts.parked, skipped: counts.skipped,
            unconfirmed: events == nil ? nil : try await store.unconfirmedCount(name), starts: counters.starts,
            stops: counters.stops, failed: counters.failed, refused: counters.refused,
            comparedAt: comparedAt ?? record?.comparedAt, problem: problem)
    }

    func shown(
        _ entry: CockpitStore.Listed, _ shapes: [String: NodeShape]
    ) async throws(CockpitError) -> CockpitJob {
        let nodes = nodes(of: entry.run)
        let words = try await store.words(of: entry.run, nodes: nodes).agreeing(with: shapes)
        let placement = JobPlacement(
            entry.run, nodes: nodes, topology: topology, table: settings.hardware, words: words)
        return CockpitJob(
            backend: name, job: entry.run.job, slurmJob: entry.run.jobID, start: entry.run.startTime,
            end: entry.run.endTime,
            phase: entry.row.phase.rawValue, isOpen: entry.isOpen, state: entry.run.endState?.rawValue,
            attempts: entry.row.attempts, reason: entry.row.reason, placementSource: placement.source?.rawValue,
            nodes: nodes)
    }
}
