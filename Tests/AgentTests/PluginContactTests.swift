// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import NIOConcurrencyHelpers
import Testing

@testable import Agent
@testable import SpankBridge

@Suite("Whether the plugins work")
struct PluginContactTests {
    private static func event(_ kind: PluginEvent.Kind) throws -> PluginEvent {
        var frame = Frame(.event, sequence: 1)
        frame.append(.source, UInt64(PluginEvent.Source.spank.rawValue))
        frame.append(.kind, UInt64(kind.rawValue))
        frame.append(.jobID, 7)
        return try PluginEvent(frame)
    }

    @Test("they have told of a start and of an end within half an hour")
    func recent() throws {
        let now = NIOLockedValueBox(1000.0)
        let registry = PluginRegistry(now: { Date(timeIntervalSince1970: now.withLockedValue { $0 }) })
        #expect(!registry.pluginsWork)
        registry.heard([try Self.event(.jobRecord)])
        #expect(!registry.pluginsWork, "ends alone: starts are money")
        registry.heard([try Self.event(.epilog), try Self.event(.taskExit)])
        #expect(!registry.pluginsWork)
        now.withLockedValue { $0 += 1000 }
        registry.heard([try Self.event(.prolog)])
        #expect(registry.pluginsWork)
        now.withLockedValue { $0 += 801 }
        #expect(!registry.pluginsWork, "no end for half an hour")
        registry.heard([try Self.event(.jobRecord)])
        #expect(registry.pluginsWork)
    }
}
