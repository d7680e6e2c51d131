// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Agent
@testable import SpankBridge

struct NodeReportsTests {
    private static func event(_ job: UInt64, node: String? = "n1", cores: String? = "0") throws -> PluginEvent {
        var frame = Frame(.event, sequence: 0)
        frame.append(.source, 2)
        frame.append(.kind, 5)
        frame.append(.jobID, job)
        if let node { frame.append(.node, node) }
        if let cores { frame.append(.cores, cores) }
        return try PluginEvent(frame)
    }

    @Test func whatComesBeforeSomebodyAsksIsKept() async throws {
        let reports = NodeReports()
        reports.want()
        reports.tell([try Self.event(1), try Self.event(2, cores: nil), try Self.event(3, node: nil)])
        reports.tell([try Self.event(4)])
        #expect(await reports.next().map(\.jobID) == [1, 4])
        async let next = reports.next()
        reports.tell([try Self.event(5)])
        #expect(await next.map(\.jobID) == [5])
        let ended = Task { await reports.next() }
        ended.cancel()
        #expect(await ended.value.isEmpty)
    }

    @Test func aNodeTellsOfItselfAlone() async throws {
        let reports = NodeReports()
        reports.want()
        var frame = Frame(.node, sequence: 0)
        frame.append(.source, 2)
        frame.append(.node, "n1")
        let silent = try PluginNode(frame)
        frame.append(.hardware, "0,2;1,3")
        reports.tell([silent, try PluginNode(frame)])
        let heard = await reports.next()
        #expect(heard.map(\.node) == ["n1"] && heard[0].jobID == nil)
        #expect(heard[0].placement.hardware == [[0, 2], [1, 3]])
    }

    @Test func nothingIsKeptForNobody() async throws {
        let reports = NodeReports()
        reports.tell([try Self.event(1)])
        reports.want()
        reports.tell([try Self.event(2)])
        #expect(await reports.next().map(\.jobID) == [2])
    }

    @Test func boundedWhileNobodyAsks() async throws {
        let reports = NodeReports()
        reports.want()
        let event = try Self.event(1)
        for _ in 0..<3 { reports.tell(Array(repeating: event, count: NodeReports.limit / 2)) }
        reports.tell([try Self.event(2)])
        let heard = await reports.next()
        #expect(heard.count == NodeReports.limit && heard.last?.jobID == 2)
    }
}
