// SPDX-License-Identifier: GPL-3.0-or-later

internal import DeepSquare
internal import Ethereum
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

    var all: [String: ControlServer.Handler] {
        general.merging(chainHandlers) { first, _ in first }.merging(gridHandlers) { first, _ in first }
            .merging(cockpitHandlers) { first, _ in first }
    }

    private var gridHandlers: [String: ControlServer.Handler] {
        return [
            "grid": { _ in try ControlServer.single(await parts.grid().status) },
            "grid-jobs": { try ControlServer.single(try await parts.grid().recentJobs(limit: $0.limit ?? 100)) },
            "grid-earnings": {
                let grouping = $0.by.flatMap(GridStatement.Grouping.init) ?? .day
                return try ControlServer.single(
                    try await parts.grid().statement(by: grouping, since: $0.since ?? 0))
            },
            "provider": { _ in try ControlServer.single(try await parts.grid().providerReport()) },
            "provider-try": { request in
                guard let trial = request.trial, let customer = Address(hex: trial.customer) else {
                    throw ControlFailure(description: "whose job it would be is missing")
                }
                return try ControlServer.single(
                    await parts.grid().tryJob(of: customer, trial.definition, minutes: trial.minutes))
            },
            "provider-register": { _ in try ControlServer.single(try await parts.grid().register()) },
            "drain": { _ in
                try await parts.grid().setDrained(true)
                return try ControlServer.single(["done": true])
            },
            "resume": { _ in
                try await parts.grid().setDrained(false)
                return try ControlServer.single(["done": true])
            },
        ]
    }

    private var chainHandlers: [String: ControlServer.Handler] {
        @Sendable func change(
            _ request: ControlRequest, _ body: (TransactionManager, String) async throws -> Bool
        ) async throws -> ControlServer.Answers {
            guard let key = request.key, try await body(parts.chain().manager, key) else {
                throw ControlFailure(description: "no transaction \"\(request.key ?? "")\" is open")
            }
            return try ControlServer.single(["done": true])
        }
        return [
            "chain": { _ in try ControlServer.single(await parts.chain().status) },
            "chain-acknowledge": { _ in
                try await parts.chain().manager.acknowledge()
                return try ControlServer.single(["done": true])
            },
            "chain-fill": { _ in
                try ControlServer.single(ChainParts.Filled(nonces: try await parts.chain().manager.fill()))
            },
            "chain-cancel": { try await change($0) { try await $0.cancel($1) } },
            "chain-bump": { try await change($0) { try await $0.bump($1) } },
        ]
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
