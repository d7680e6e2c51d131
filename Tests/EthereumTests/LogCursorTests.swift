// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Ethereum

@Suite("Log cursor")
struct LogCursorTests {
    private static func header(_ number: UInt64, fork: UInt8 = 0, parentFork: UInt8 = 0) -> BlockHeader {
        BlockHeader(
            reference: BlockReference(number: number, hash: Stage.hash(number, fork: fork)),
            parent: Stage.hash(number - 1, fork: parentFork), timestamp: 0, baseFee: nil, gasLimit: 0)
    }

    private static func cursor(at number: UInt64 = 100, confirmations: UInt64 = 0) -> LogCursor {
        LogCursor(
            .init(confirmations: confirmations),
            position: BlockReference(number: number, hash: Stage.hash(number)))
    }

    @Test(
        "what to do next",
        arguments: [
            // confirmations, the node's head, its block at our position is ours, not there (nil), or another (false)
            (0, 100, true, LogCursor.Step.upToDate), (0, 101, true, .blocks(101...101)),
            (0, 116, true, .blocks(101...116)),
            (0, 117, true, .range(101...101)), (0, 1000, true, .range(101...164)), (3, 103, true, .upToDate),
            (3, 104, true, .blocks(101...101)),
            (0, 90, nil, .upToDate), (0, 101, nil, .upToDate), (0, 100, false, .walkBack), (6, 100, false, .walkBack),
            (6, 2, true, .upToDate),
        ] as [(UInt64, UInt64, Bool?, LogCursor.Step)])
    func next(_ confirmations: UInt64, _ head: UInt64, _ isOurs: Bool?, _ step: LogCursor.Step) {
        let cursor = Self.cursor(confirmations: confirmations)
        #expect(
            cursor.next(
                head: head, atPosition: isOurs.map { $0 ? Stage.hash(100) : Stage.hash(100, fork: 1) }, span: 64)
                == step)
    }

    @Test("a range is taken only with the block at its end")
    func ranges() {
        let cursor = Self.cursor()
        let (first, end) = (Self.header(101), Self.header(150))
        #expect(cursor.judge(expectedEnd: end.hash, first: first, end: end) == .commit(end.reference))
        #expect(
            cursor.judge(expectedEnd: end.hash, first: first, end: nil) == .doubt, "a node that lags has no logs there")
        #expect(cursor.judge(expectedEnd: end.hash, first: nil, end: end) == .doubt)
        #expect(
            cursor.judge(expectedEnd: Stage.hash(150, fork: 1), first: first, end: end) == .doubt,
            "reorganised in between")
        #expect(cursor.judge(expectedEnd: end.hash, first: Self.header(101, parentFork: 1), end: end) == .walkBack)
    }

    @Test("blocks by hash must continue one another")
    func chains() {
        let cursor = Self.cursor()
        #expect(cursor.judge([Self.header(101), Self.header(102)]) == .commit(Self.header(102).reference))
        #expect(cursor.judge([]) == .doubt)
        #expect(cursor.judge([Self.header(102)]) == .doubt)
        #expect(cursor.judge([Self.header(101, parentFork: 1)]) == .walkBack)
        #expect(cursor.judge([Self.header(101), Self.header(102, parentFork: 1)]) == .doubt, "two forks in one answer")
    }

    @Test("no range is longer than the node's, nor shorter than a block")
    func spans() {
        let cursor = Self.cursor()
        for (span, last) in [(0, 101), (1, 101), (10, 110), (5000, 984)] as [(UInt64, UInt64)] {
            #expect(cursor.next(head: 1000, atPosition: Stage.hash(100), span: span) == .range(101...last))
        }
    }

    @Test("what a node's newest block says of ours")
    func tips() {
        let cursor = Self.cursor()
        #expect(cursor.hash(atPositionOf: Self.header(99)) == nil)
        #expect(cursor.hash(atPositionOf: Self.header(100)) == Stage.hash(100))
        #expect(cursor.hash(atPositionOf: Self.header(100, fork: 1)) == Stage.hash(100, fork: 1))
        #expect(cursor.hash(atPositionOf: Self.header(101, parentFork: 1)) == Stage.hash(100, fork: 1))
        #expect(cursor.hash(atPositionOf: Self.header(500, fork: 1)) == Stage.hash(100), "it says nothing")
        #expect(
            cursor.next(head: Quantity.limit, atPosition: Stage.hash(100), span: .max)
                == .range(101...(Quantity.limit - 16)))
    }

    @Test("a bloom filter's no is certain, where it says anything")
    func blooms() {
        let other = Address(unchecked: [UInt8](repeating: 1, count: 20))
        var header = Self.header(1)
        #expect(header.mayHold(logsOf: [Stage.contract]), "it was not told")
        header.bloom = LogsBloom(of: [Stage.contract])
        #expect(header.mayHold(logsOf: [other, Stage.contract]) && !header.mayHold(logsOf: [other]))
        header.bloom = LogsBloom(of: [])
        #expect(header.mayHold(logsOf: [other]), "chains that leave it empty do so always")
        header.transactionCount = 0
        #expect(!header.mayHold(logsOf: [other]))
        header.bloom = nil
        #expect(!header.mayHold(logsOf: [other]))
        #expect(LogsBloom(hex: "0x12") == nil)
    }

    @Test("the way back ends at the newest block that still is the chain's")
    func ancestors() {
        let taken = (95...100).map { BlockReference(number: $0, hash: Stage.hash($0)) }
        let canonical: [UInt64: Hash32] = [95: Stage.hash(95), 96: Stage.hash(96), 97: Stage.hash(97, fork: 1)]
        #expect(LogCursor.ancestor(taken, canonical: canonical)?.number == 96)
        #expect(LogCursor.ancestor(taken, canonical: [:]) == nil)
    }

    @Test("a log is named by its transaction and its place in it, whatever block it is in")
    func places() {
        func log(_ transaction: UInt8, _ index: UInt64, fork: UInt8 = 0, address: Address = Stage.contract) -> ChainLog
        {
            ChainLog(
                address: address, topics: [.zero], data: [transaction],
                block: BlockReference(number: 1, hash: Stage.hash(1, fork: fork)),
                transaction: Stage.hash(UInt64(transaction)), index: index)
        }
        let filter = LogFilter(contracts: [Stage.contract])
        let one = filter.placed([log(2, 3), log(1, 0), log(1, 1, address: .zero), log(1, 2)])
        #expect(one.map(\.place) == [0, 1, 0])
        let other = filter.placed([log(1, 10, fork: 1), log(1, 12, fork: 1)])
        #expect(other.map(\.place) == [0, 1] && other[0].digest == one[0].digest)
        #expect(LogFilter(contracts: [Stage.contract], events: [Stage.hash(9)]).placed([log(1, 0)]).isEmpty)
    }
}
