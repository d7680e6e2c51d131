// SPDX-License-Identifier: GPL-3.0-or-later

public import BigInt

/// A block's number and hash.
public struct BlockReference: Hashable, Sendable {
    public var number: UInt64
    public var hash: Hash32

    public init(number: UInt64, hash: Hash32) {
        self.number = number
        self.hash = hash
    }
}

/// What is needed of a block's header.
public struct BlockHeader: Hashable, Sendable {
    public var reference: BlockReference
    public var parent: Hash32
    /// Unix seconds.
    public var timestamp: UInt64
    /// nil before EIP-1559.
    public var baseFee: BigUInt?
    /// nil from chains that do not tell: it is only an upper bound for one's own.
    public var gasLimit: UInt64?
    /// Of all logs in the block; nil from chains that do not tell.
    public var bloom: LogsBloom?
    /// nil when that was not told.
    public var transactionCount: Int?

    public var number: UInt64 { reference.number }
    public var hash: Hash32 { reference.hash }

    public init(
        reference: BlockReference, parent: Hash32, timestamp: UInt64, baseFee: BigUInt?, gasLimit: UInt64?,
        bloom: LogsBloom? = nil, transactionCount: Int? = nil
    ) {
        self.reference = reference
        self.parent = parent
        self.timestamp = timestamp
        self.baseFee = baseFee
        self.gasLimit = gasLimit
        self.bloom = bloom
        self.transactionCount = transactionCount
    }

    public init(_ json: JSONValue) throws(RPCError) {
        let object = try JSONReader(json, "block")
        reference = BlockReference(number: try object.uint64("number"), hash: try object.hash("hash"))
        parent = try object.hash("parentHash")
        timestamp = try object.uint64("timestamp")
        // What is not needed may be missing, or be anything.
        baseFee = try? object.optional("baseFeePerGas").map(JSONReader.quantity)
        gasLimit = (try? object.uint64("gasLimit")).flatMap { $0 > 0 ? $0 : nil }
        bloom = json["logsBloom"]?.text.flatMap { LogsBloom(hex: $0) }
        transactionCount = json["transactions"]?.array?.count
    }

    /// Whether the block may hold logs of one of these contracts. A bloom filter's no is certain, if the node does not lie;
    /// one without a bit says nothing where a chain leaves them empty.
    func mayHold(logsOf contracts: [Address]) -> Bool {
        if transactionCount == 0, bloom?.isEmpty != false { return false }
        guard let bloom, !bloom.isEmpty else { return true }
        return contracts.contains(where: bloom.mayContain)
    }
}

/// A log of a mined transaction.
public struct ChainLog: Hashable, Sendable {
    public var address: Address
    public var topics: [Hash32]
    public var data: [UInt8]
    public var block: BlockReference
    public var transaction: Hash32
    /// Within its block.
    public var index: UInt64

    public init(
        address: Address, topics: [Hash32], data: [UInt8], block: BlockReference, transaction: Hash32, index: UInt64
    ) {
        self.address = address
        self.topics = topics
        self.data = data
        self.block = block
        self.transaction = transaction
        self.index = index
    }

    /// nil for one that a reorganisation took back.
    public static func read(_ json: JSONValue) throws(RPCError) -> ChainLog? {
        let object = try JSONReader(json, "log")
        if json["removed"] == .bool(true) { return nil }
        guard let topics = json["topics"]?.array, topics.count <= 4 else { throw object.malformed("topics") }
        var hashes: [Hash32] = []
        for topic in topics {
            guard let hash = topic.text.flatMap({ Hash32(hex: $0) }) else { throw object.malformed("topics") }
            hashes.append(hash)
        }
        return ChainLog(
            address: try object.address("address"), topics: hashes, data: try object.data("data"),
            block: BlockReference(number: try object.uint64("blockNumber"), hash: try object.hash("blockHash")),
            transaction: try object.hash("transactionHash"), index: try object.uint64("logIndex"))
    }

    public static func readAll(_ json: JSONValue) throws(RPCError) -> [ChainLog] {
        guard let array = json.array else { throw RPCError(.malformed, "logs: not an array") }
        var logs: [ChainLog] = []
        logs.reserveCapacity(array.count)
        for element in array {
            if let log = try read(element) { logs.append(log) }
        }
        return logs
    }
}

/// What became of a mined transaction.
public struct TransactionReceipt: Hashable, Sendable {
    public var transaction: Hash32
    public var block: BlockReference
    /// false: it used gas and changed nothing.
    public var succeeded: Bool
    public var gasUsed: UInt64
    /// Wei for each unit of gas; nil from nodes that do not tell.
    public var gasPrice: BigUInt?
    public var logs: [ChainLog]
    public var contract: Address?

    public init(
        transaction: Hash32, block: BlockReference, succeeded: Bool, gasUsed: UInt64, gasPrice: BigUInt?,
        logs: [ChainLog] = [], contract: Address? = nil
    ) {
        self.transaction = transaction
        self.block = block
        self.succeeded = succeeded
        self.gasUsed = gasUsed
        self.gasPrice = gasPrice
        self.logs = logs
        self.contract = contract
    }

    /// nil for `null`: the node has none.
    public static func read(_ json: JSONValue) throws(RPCError) -> TransactionReceipt? {
        if json.isNull { return nil }
        let object = try JSONReader(json, "receipt")
        // geth gives the receipt of a transaction in its pending block without a block hash.
        if json["blockHash"]?.isNull != false { return nil }
        let status = try object.uint64("status")
        guard status <= 1 else { throw object.malformed("status") }
        var contract: Address?
        if json["contractAddress"]?.isNull == false { contract = try object.address("contractAddress") }
        return TransactionReceipt(
            transaction: try object.hash("transactionHash"),
            block: BlockReference(number: try object.uint64("blockNumber"), hash: try object.hash("blockHash")),
            succeeded: status == 1, gasUsed: try object.uint64("gasUsed"),
            gasPrice: try object.optional("effectiveGasPrice").map(JSONReader.quantity),
            logs: try ChainLog.readAll(json["logs"] ?? .null), contract: contract)
    }
}

/// Reads the fields of an object that came from a node.
struct JSONReader {
    private let object: JSONValue
    private let name: String

    init(_ json: JSONValue, _ name: String) throws(RPCError) {
        guard case .object = json else { throw RPCError(.malformed, "\(name): not an object") }
        object = json
        self.name = name
    }

    func malformed(_ key: String) -> RPCError {
        RPCError(.malformed, "\(name): \(key) is missing or not what it must be")
    }

    func optional(_ key: String) -> JSONValue? {
        object[key].flatMap { $0.isNull ? nil : $0 }
    }

    func uint64(_ key: String) throws(RPCError) -> UInt64 {
        guard let value = object[key]?.text.flatMap(Quantity.decode53) else { throw malformed(key) }
        return value
    }

    func hash(_ key: String) throws(RPCError) -> Hash32 {
        guard let value = object[key]?.text.flatMap({ Hash32(hex: $0) }) else { throw malformed(key) }
        return value
    }

    func address(_ key: String) throws(RPCError) -> Address {
        // Nodes differ in the case of letters; a checksum is for people.
        guard let value = object[key]?.text.flatMap({ Address(hex: $0.lowercased()) }) else { throw malformed(key) }
        return value
    }

    func data(_ key: String) throws(RPCError) -> [UInt8] {
        guard let text = object[key]?.text, text.hasPrefix("0x"), let value = Hex.decode(text) else {
            throw malformed(key)
        }
        return value
    }

    static func quantity(_ json: JSONValue) throws(RPCError) -> BigUInt {
        guard let value = json.text.flatMap(Quantity.decode) else {
            throw RPCError(.malformed, "a number that is no QUANTITY")
        }
        return value
    }
}
