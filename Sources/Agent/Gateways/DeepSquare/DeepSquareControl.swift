// SPDX-License-Identifier: GPL-3.0-or-later

internal import DeepSquare
internal import Ethereum

/// What the running agent answers of chain and grid.
struct DeepSquareControl {
    let parts: RunningParts

    var all: [String: ControlServer.Handler] { chainHandlers.merging(gridHandlers) { first, _ in first } }

    private var gridHandlers: [String: ControlServer.Handler] {
        return [
            "grid": { _ in
                var status = try await parts.grid().status
                status.obstacles = GridStatus.obstacles(
                    status.obstacles, beside: StatusSource.parts(of: parts.now.findings))
                return try ControlServer.single(status)
            },
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
            "label-times": { _ in try ControlServer.single(await parts.labelTimes()) },
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
}
