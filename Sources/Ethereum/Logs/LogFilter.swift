// SPDX-License-Identifier: GPL-3.0-or-later

/// Which logs a feed wants: of these contracts, and, if any are given, with one of these first topics.
public struct LogFilter: Hashable, Sendable {
    public var contracts: [Address]
    /// Empty: all events.
    public var events: [Hash32]

    public init(contracts: [Address], events: [Hash32] = []) {
        precondition(!contracts.isEmpty, "a feed without a contract would read the whole chain")
        self.contracts = contracts
        self.events = events
    }

    func matches(_ log: ChainLog) -> Bool {
        contracts.contains(log.address) && (events.isEmpty || log.topics.first.map(events.contains) == true)
    }

    private var fields: [String: JSONValue] {
        var fields: [String: JSONValue] = ["address": .array(contracts.map { .string($0.hex) })]
        if !events.isEmpty { fields["topics"] = .array([.array(events.map { .string("\($0)") })]) }
        return fields
    }

    func call(_ blocks: ClosedRange<UInt64>) -> RPCCall {
        var query = fields
        query["fromBlock"] = .string(Quantity.encode(blocks.lowerBound))
        query["toBlock"] = .string(Quantity.encode(blocks.upperBound))
        return RPCCall("eth_getLogs", [.object(query)])
    }

    func call(block hash: Hash32) -> RPCCall {
        var query = fields
        query["blockHash"] = .string("\(hash)")
        return RPCCall("eth_getLogs", [.object(query)])
    }

    /// The wanted logs in a node's answer or a receipt, each with its place among those of its transaction: with the
    /// transaction's hash that names a log whatever block it is in.
    func placed(_ logs: [ChainLog]) -> [PlacedLog] {
        var counts: [Hash32: Int] = [:]
        return logs.filter(matches).sorted { ($0.block.number, $0.index) < ($1.block.number, $1.index) }.map { log in
            defer { counts[log.transaction, default: 0] += 1 }
            return PlacedLog(log: log, place: counts[log.transaction, default: 0])
        }
    }
}

struct PlacedLog: Hashable, Sendable {
    var log: ChainLog
    var place: Int

    /// Of what it says, without where it stands.
    var digest: Hash32 {
        Keccak256.hash(log.address.bytes + log.topics.flatMap(\.bytes) + log.data)
    }
}

/// A log as a feed delivers it.
public struct DeliveredLog: Hashable, Sendable {
    /// Grows in the order of delivery. Another file of the chain's numbers again.
    public var sequence: Int64
    /// Among those of its transaction: with the transaction's hash it names the log for good.
    public var place: Int
    /// It was handled once, as far as the chain's file knows, and its reader may have lost that.
    public var isAgain: Bool
    public var log: ChainLog
}
