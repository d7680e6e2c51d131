// SPDX-License-Identifier: GPL-3.0-or-later

internal import JobLifecycle
internal import SpankBridge

/// What the running agent answers.
struct ControlHandlers {
    let parts: RunningParts
    let status: StatusSource
    /// Where the plugins report.
    let socket: String
    var listen: String?
    var slurmConf: String?

    struct PluginsAnswer: Codable, Sendable {
        var socket: String
        /// `bridge.listen` and `slurm.conf`, if they are set.
        var listen: String?
        var slurmConf: String?
        var plugins: PluginRegistry.Snapshot
        var bridge: BridgeCounters
        var ledger: Ledger.Counts
    }

    struct RetryAnswer: Codable, Sendable {
        var retried: Int
    }

    /// A gateway's command has no name that the agent or another one has.
    var all: [String: ControlServer.Handler] {
        parts.modules.reduce(general) { $0.merging($1.control(parts)) { first, _ in first } }
    }

    private var general: [String: ControlServer.Handler] {
        [
            "status": { _ in try ControlServer.single(await status.current()) },
            "plugins": { _ in
                let ledger = try await parts.ledger()
                return try ControlServer.single(
                    PluginsAnswer(
                        socket: socket, listen: listen, slurmConf: slurmConf, plugins: parts.registry.snapshot,
                        bridge: parts.now.bridge?.counters ?? BridgeCounters(), ledger: try await ledger.counts()))
            },
            "retry": { request in
                try ControlServer.single(
                    RetryAnswer(retried: try await parts.ledger().retryDeliveries(ofJob: request.ledgerJob)))
            },
            "events": { request in events(request, try await parts.ledger()) },
        ]
    }

    /// First what is in the ledger, then what comes; each transition once.
    private func events(_ request: ControlRequest, _ ledger: Ledger) -> ControlServer.Answers {
        let items = ledger.feed.items()
        let withObservations = request.observations ?? false
        return ControlServer.Answers { take in
            var last = request.since ?? Int64.max
            while last != .max {
                let page = try await ledger.transitions(after: last, limit: 500)
                guard let newest = page.last else { break }
                for transition in page { try await take(try EventLine(transition).json) }
                last = newest.sequence
            }
            for await item in items {
                switch item {
                case .transition(let transition) where last == .max || transition.sequence > last:
                    try await take(try EventLine(transition).json)
                case .observation(let seen) where withObservations: try await take(try EventLine(seen).json)
                case .hint(let hint) where withObservations: try await take(try EventLine(hint).json)
                case .transition, .observation, .hint: continue
                }
            }
        }
    }
}
