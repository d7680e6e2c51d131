// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import NIOConcurrencyHelpers
internal import SpankBridge

/// Which plugins have been heard of since the agent started, and what they last said.
final class PluginRegistry: Sendable {
    struct Jobcomp: Codable, Sendable, Hashable {
        var hello: PluginHello
        /// Unix seconds.
        var lastHeard: Double
        var events: Int
    }

    struct Node: Codable, Sendable, Hashable {
        var node: String
        var lastHeard: Double
        var events: Int
    }

    /// From what slurmctld did to the commit of what it means, over the last events of jobcomp plugins; spooled ones left
    /// out. Microseconds.
    struct Latency: Codable, Sendable, Hashable {
        var events: Int
        var median: Int64
        var p99: Int64
        var maximum: Int64
    }

    struct Snapshot: Codable, Sendable {
        /// The latest heard first.
        var jobcomp: [Jobcomp]
        var nodes: [Node]
        var commitLatency: Latency?
    }

    private struct State {
        var jobcomp: [String: Jobcomp] = [:]
        var nodes: [String: Node] = [:]
        /// A ring of the last ones.
        var latencies: [Int64] = []
        var nextLatency = 0
        /// When a start, and an end, was last told of; Unix seconds.
        var lastStart: Double?
        var lastEnd: Double?
        var introductions = 0
    }

    private let state = NIOLockedValueBox(State())
    private let now: @Sendable () -> Date
    /// Each slurmctld start brings a boot id: the oldest go.
    private static let limit = 4096
    /// More nodes than that are no longer the cluster's: those that were heard of longest ago go. Twice what the cluster has, as
    /// nodes are renamed.
    private var nodeLimit: Int { max(Self.limit, 2 * clusterSize.withLockedValue { $0 }) }
    private let clusterSize = NIOLockedValueBox(0)
    /// What comes later than this was in a spool.
    private static let spooledAfter: Int64 = 1_000_000

    init(now: @escaping @Sendable () -> Date = { Date() }) {
        self.now = now
    }

    /// How many nodes the cluster has.
    func expect(nodes: Int) { clusterSize.withLockedValue { $0 = min(nodes, Self.largestCluster) } }

    /// Slurm's own limit is below.
    private static let largestCluster = 1 << 20

    /// Grows when a plugin speaks for the first time: one of another slurmctld's start, or the first of any node.
    var introductions: Int { state.withLockedValue { $0.introductions } }

    func heard(_ hello: PluginHello) {
        let time = now().timeIntervalSince1970
        state.withLockedValue { state in
            if state.jobcomp[hello.boot] == nil { state.introductions += 1 }
            let before = state.jobcomp[hello.boot]?.events ?? 0
            state.jobcomp[hello.boot] = Jobcomp(hello: hello, lastHeard: time, events: before)
            if state.jobcomp.count > Self.limit,
                let oldest = state.jobcomp.min(by: { $0.value.lastHeard < $1.value.lastHeard })
            {
                state.jobcomp[oldest.key] = nil
            }
        }
    }

    func heard(_ events: [PluginEvent]) {
        let time = now().timeIntervalSince1970
        let limit = nodeLimit
        state.withLockedValue { state in
            for event in events {
                switch event.kind {
                // What a node kept while nobody took it says nothing of now.
                case .jobStart, .prolog, .stepStart: if event.waited == nil { state.lastStart = time }
                case .jobRecord: state.lastEnd = time
                case .epilog, .taskExit: break
                }
                switch event.source {
                case .jobcomp:
                    let boot = PluginHello.hex(event.bootID)
                    state.jobcomp[boot]?.events += 1
                    state.jobcomp[boot]?.lastHeard = time
                case .spank:
                    if let name = event.node { Self.heard(name, at: time, &state, limit) }
                }
            }
        }
    }

    func heard(_ nodes: [PluginNode]) {
        let time = now().timeIntervalSince1970
        let limit = nodeLimit
        state.withLockedValue { state in
            for node in nodes { Self.heard(node.node, at: time, &state, limit) }
        }
    }

    private static func heard(_ name: String, at time: Double, _ state: inout State, _ limit: Int) {
        if state.nodes.isEmpty { state.introductions += 1 }
        if state.nodes[name] == nil, state.nodes.count >= limit { forgetNodes(&state, limit) }
        state.nodes[name, default: Node(node: name, lastHeard: time, events: 0)].events += 1
        state.nodes[name]?.lastHeard = time
    }

    /// An eighth, so that the next ones come cheap.
    private static func forgetNodes(_ state: inout State, _ limit: Int) {
        let oldest = state.nodes.values.sorted { $0.lastHeard < $1.lastHeard }.prefix(max(1, limit / 8))
        for node in oldest { state.nodes[node.node] = nil }
    }

    /// These events have just been committed.
    func committed(_ events: [PluginEvent]) {
        let time = Int64(now().timeIntervalSince1970 * 1_000_000)
        state.withLockedValue { state in
            for event in events where event.source == .jobcomp {
                // A frame may hold any number.
                guard let observed = event.observed,
                    case let (took, isAbsurd) = time.subtractingReportingOverflow(observed), !isAbsurd,
                    (0..<Self.spooledAfter).contains(took)
                else { continue }
                if state.latencies.count < Self.limit {
                    state.latencies.append(took)
                } else {
                    state.latencies[state.nextLatency] = took
                }
                state.nextLatency = (state.nextLatency + 1) % Self.limit
            }
        }
    }

    /// How long ago the last start and the last end may have been told, for the plugins to be believed to tell the next.
    private static let recent = 1800.0

    /// Whether plugins have lately told of starts as well as of ends.
    var pluginsWork: Bool {
        let time = now().timeIntervalSince1970
        return state.withLockedValue { state in
            [state.lastStart, state.lastEnd].allSatisfy { $0.map { time - $0 < Self.recent } ?? false }
        }
    }

    var snapshot: Snapshot {
        state.withLockedValue { state in
            Snapshot(
                jobcomp: state.jobcomp.values.sorted { $0.lastHeard > $1.lastHeard },
                nodes: state.nodes.values.sorted { $0.node < $1.node }, commitLatency: Self.latency(state.latencies))
        }
    }

    private static func latency(_ all: [Int64]) -> Latency? {
        let sorted = all.sorted()
        guard let maximum = sorted.last else { return nil }
        return Latency(
            events: sorted.count, median: sorted[sorted.count / 2], p99: sorted[sorted.count * 99 / 100],
            maximum: maximum)
    }
}
