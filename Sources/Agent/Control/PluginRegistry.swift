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

    struct Snapshot: Codable, Sendable {
        /// The latest heard first.
        var jobcomp: [Jobcomp]
        var nodes: [Node]
    }

    private struct State {
        var jobcomp: [String: Jobcomp] = [:]
        var nodes: [String: Node] = [:]
    }

    private let state = NIOLockedValueBox(State())
    private let now: @Sendable () -> Date
    /// Each slurmctld start brings a boot id, and a forged node name costs nothing: the oldest go.
    private static let limit = 4096

    init(now: @escaping @Sendable () -> Date = { Date() }) {
        self.now = now
    }

    func heard(_ hello: PluginHello) {
        let time = now().timeIntervalSince1970
        state.withLockedValue { state in
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
        state.withLockedValue { state in
            for event in events {
                switch event.source {
                case .jobcomp:
                    let boot = PluginHello.hex(event.bootID)
                    state.jobcomp[boot]?.events += 1
                    state.jobcomp[boot]?.lastHeard = time
                case .spank:
                    guard let name = event.node else { continue }
                    if state.nodes[name] == nil, state.nodes.count >= Self.limit { continue }
                    state.nodes[name, default: Node(node: name, lastHeard: time, events: 0)].events += 1
                    state.nodes[name]?.lastHeard = time
                }
            }
        }
    }

    var snapshot: Snapshot {
        state.withLockedValue { state in
            Snapshot(
                jobcomp: state.jobcomp.values.sorted { $0.lastHeard > $1.lastHeard },
                nodes: state.nodes.values.sorted { $0.node < $1.node })
        }
    }
}
