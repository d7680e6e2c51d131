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
        _ = reports.tell([try Self.event(1), try Self.event(2, cores: nil), try Self.event(3, node: nil)])
        _ = reports.tell([try Self.event(4)])
        #expect(await reports.next().reports.map(\.jobID) == [1, 4])
        async let next = reports.next()
        _ = reports.tell([try Self.event(5)])
        #expect(await next.reports.map(\.jobID) == [5])
        let ended = Task { await reports.next() }
        ended.cancel()
        #expect(await ended.value.reports.isEmpty)
    }

    @Test func aNodeTellsOfItselfAlone() async throws {
        let reports = NodeReports()
        reports.want()
        var frame = Frame(.node, sequence: 0)
        frame.append(.source, 2)
        frame.append(.node, "n1")
        let silent = try PluginNode(frame)
        frame.append(.hardware, "0,2;1,3")
        _ = reports.tell([silent, try PluginNode(frame)])
        let heard = await reports.next().reports
        #expect(heard.map(\.node) == ["n1"] && heard[0].jobID == nil)
        #expect(heard[0].placement.hardware == [[0, 2], [1, 3]])
    }

    @Test func nothingIsKeptForNobody() async throws {
        let reports = NodeReports()
        _ = reports.tell([try Self.event(1)])
        reports.want()
        _ = reports.tell([try Self.event(2)])
        #expect(await reports.next().reports.map(\.jobID) == [2])
    }

    @Test func boundedWhileNobodyAsks() async throws {
        let reports = NodeReports()
        reports.want()
        let event = try Self.event(1)
        for _ in 0..<(NodeReports.limit + 10) { _ = reports.tell([event]) }
        _ = reports.tell([try Self.event(2)])
        let heard = await reports.next().reports
        #expect(heard.count == NodeReports.limit && heard.last?.jobID == 2)
    }

    /// A node keeps what it said until this is true.
    @Test func answeredOnceTheyAreKept() async throws {
        let reports = NodeReports()
        #expect(reports.tell([try Self.event(1)]) == nil, "nobody wants it")
        reports.want()
        #expect(reports.tell([try Self.event(1, cores: nil)]) == nil, "it says nothing of the kind")
        for isKept in [true, false] {
            let first = try #require(reports.tell([try Self.event(1)]))
            let second = try #require(reports.tell([try Self.event(2)]))
            let batch = await reports.next()
            #expect(batch.reports.count == 2)
            batch.answer(isKept)
            #expect(try await first.value() == isKept)
            #expect(try await second.value() == isKept)
        }
        // What is dropped, what is left when the agent ends, and what comes then.
        let dropped = try #require(reports.tell([try Self.event(1)]))
        let left = try #require(reports.tell(Array(repeating: try Self.event(2), count: NodeReports.limit)))
        #expect(try await dropped.value() == false)
        reports.close()
        #expect(try await left.value() == false)
        #expect(try await reports.tell([try Self.event(3)])?.value() == false)
    }

    @Test func howLongTheNodeHadKeptIt() async throws {
        var frame = Frame(.event, sequence: 0)
        frame.append(.source, 2)
        frame.append(.kind, 5)
        frame.append(.jobID, 7)
        frame.append(.node, "n1")
        frame.append(.cores, "0")
        frame.append(.waited, 1500)
        let reports = NodeReports()
        reports.want()
        _ = reports.tell([try PluginEvent(frame)])
        #expect(await reports.next().reports.map(\.waited) == [1500])
        // None of the job completion plugin's.
        frame.append(.source, 1)
        frame.append(.bootID, bytes: Array(repeating: 0, count: 16))
        #expect(try PluginEvent(frame).waited == nil)
    }

    @Test func whatWaitsHereCountsFromWhenItWasSaid() async throws {
        let reports = NodeReports()
        reports.want()
        let first = try #require(reports.tell([try Self.event(1)]))
        try await Task.sleep(for: .milliseconds(300))
        let second = try #require(reports.tell([try Self.event(1)]))
        let batch = await reports.next()
        let waited = batch.reports.map(\.waited)
        #expect(waited.count == 2 && waited[0] - waited[1] >= 300)
        batch.answer(true)
        _ = (try await NodeReports.isKept(first), try await NodeReports.isKept(second))
    }

    /// The gateway may begin much later than the doors open, or never.
    @Test func aGatewayThatDoesNotAskHoldsUpNothing() async throws {
        let reports = NodeReports()
        reports.want()
        let late = try #require(reports.tell([try Self.event(1)]))
        #expect(try await NodeReports.isKept(late, within: .milliseconds(1)) == false)
        let ended = try #require(reports.tell([try Self.event(2)]))
        let waiting = Task { try await NodeReports.isKept(ended, within: .seconds(3600)) }
        waiting.cancel()
        #expect(try await waiting.value == false)
        // What came too late for its answer is not lost.
        let batch = await reports.next()
        #expect(batch.reports.map(\.jobID) == [1, 2])
        batch.answer(true)
        let good = try #require(reports.tell([try Self.event(3)]))
        await reports.next().answer(true)
        #expect(try await NodeReports.isKept(good))
    }
}
