// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Agent
@testable import AgentSettings

/// What of the labels one gateway knows reaches the others.
@Suite struct LabelTests {
    private struct Knows: GatewayModule {
        var name = "knows"
        var adds: [String: String] = [:]

        func isConfigured(in configuration: AgentConfiguration) -> Bool { true }
        func open(_ context: GatewayContext) async throws -> OpenGateway? { nil }
        func labelTimes(running: any Sendable) async -> [String: LabelTime] {
            adds.mapValues { LabelTime(value: $0, measuredAt: 7) }
        }
        func labels(
            _ configured: [String: String], _ configuration: AgentConfiguration, running: any Sendable
        ) async -> [String: String] {
            configured.merging(adds) { _, own in own }
        }
    }

    @Test("each open gateway adds what it knows; one that is not open knows nothing")
    func together() async {
        let parts = RunningParts(modules: [
            Knows(name: "first", adds: ["cpu": "a", "gpu": "b"]), Knows(name: "second", adds: ["gpu": "c"]),
            Knows(name: "closed", adds: ["os": "d"]), DeepSquareModule(), BenchmarkModule(),
        ])
        #expect(await parts.labels(["zone": "west"]) == ["zone": "west"])
        // What is none of its own means nothing to a gateway.
        for name in ["first", "second", "deepsquare", "benchmark"] {
            parts.change { $0.gateways[name] = .init(running: 1) }
        }
        #expect(
            await parts.labels(["zone": "west", "cpu": "own"]) == [
                "zone": "west", "cpu": "a", "gpu": "c",
            ])
        #expect(await parts.labelTimes().mapValues(\.value) == ["cpu": "a", "gpu": "c"])
    }
}
