// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import NIOConcurrencyHelpers
import Testing

@testable import Agent
@testable import SpankBridge

@Suite("Which plugins have been heard")
struct PluginRegistryTests {
    private static func hint(_ node: String) throws -> PluginEvent {
        var frame = Frame(.event, sequence: 0)
        frame.append(.source, 2)
        frame.append(.kind, 3)
        frame.append(.jobID, 7)
        frame.append(.node, node)
        return try PluginEvent(frame)
    }

    private static func record(observed: UInt64) throws -> PluginEvent {
        var frame = Frame(.event, sequence: 1)
        frame.append(.source, 1)
        frame.append(.bootID, bytes: Array(0..<16))
        frame.append(.kind, 2)
        frame.append(.jobID, 7)
        frame.append(.observed, observed)
        return try PluginEvent(frame)
    }

    private final class Clock: Sendable {
        let seconds = NIOLockedValueBox(1_000_000.0)
        var now: Date { Date(timeIntervalSince1970: seconds.withLockedValue { $0 }) }
        func pass() { seconds.withLockedValue { $0 += 1 } }
    }

    @Test("checks of plugins are made again when one speaks for the first time, and not at each event")
    func introductions() throws {
        let parts = RunningParts()
        func isOther(_ change: () throws -> Void) rethrows -> Bool {
            let before = HealthRounds.Shape(parts)
            try change()
            return HealthRounds.Shape(parts) != before
        }
        #expect(try isOther { parts.registry.heard([try Self.hint("n1")]) })
        #expect(try !isOther { parts.registry.heard([try Self.hint("n1"), try Self.hint("n2")]) })
        let hello = try Self.hello(boot: 1)
        #expect(isOther { parts.registry.heard(hello) })
        #expect(!isOther { parts.registry.heard(hello) })
        // slurmctld was started again.
        #expect(try isOther { parts.registry.heard(try Self.hello(boot: 2)) })
    }

    private static func hello(boot: UInt8) throws -> PluginHello {
        var frame = Frame(.hello, sequence: 0)
        frame.append(.bootID, bytes: Array(repeating: boot, count: 16))
        frame.append(.source, 1)
        return try PluginHello(frame)
    }

    @Test("all nodes of a large cluster, known or not when they report", arguments: [10_000, 0])
    func largeCluster(known: Int) throws {
        let clock = Clock()
        let registry = PluginRegistry(now: { clock.now })
        registry.expect(nodes: known)
        let count = max(known, 4096)
        for number in 0..<count { registry.heard([try Self.hint("n\(number)")]) }
        #expect(registry.snapshot.nodes.count == count)
    }

    @Test("of more nodes than a cluster can have those go that were heard of longest ago")
    func tooMany() throws {
        let clock = Clock()
        let registry = PluginRegistry(now: { clock.now })
        for number in 0..<4096 {
            registry.heard([try Self.hint("old\(number)")])
            clock.pass()
        }
        registry.heard([try Self.hint("old0")])
        clock.pass()
        registry.heard([try Self.hint("new")])
        let nodes = Set(registry.snapshot.nodes.map(\.node))
        #expect(nodes.contains("new") && nodes.contains("old0") && !nodes.contains("old1") && nodes.contains("old4095"))
        #expect(nodes.count <= 4096)
    }

    @Test("times that no clock shows are no latency", arguments: [0, 1, 1 << 63 - 1, .max] as [UInt64])
    func absurdTimes(_ observed: UInt64) throws {
        let registry = PluginRegistry(now: { Date(timeIntervalSince1970: 1_000_000) })
        registry.committed([try Self.record(observed: observed)])
        #expect(registry.snapshot.commitLatency == nil)
        registry.committed([try Self.record(observed: 999_999_999_000)])
        #expect(registry.snapshot.commitLatency?.median == 1000)
    }
}
