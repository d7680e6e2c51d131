// SPDX-License-Identifier: GPL-3.0-or-later

internal import BigInt

/// A function of a contract.
public struct ABIFunction: Hashable, Sendable {
    /// As it is hashed: `transfer(address,uint256)`.
    public let signature: String
    public let inputs: [ABIType]
    public let outputs: [ABIType]
    /// The first four bytes of calldata.
    public let selector: [UInt8]

    /// - Parameters:
    ///   - signature: `transfer(address to, uint256 amount)`; names are let pass.
    ///   - returns: `(bool)`.
    public init(_ signature: String, returns: String = "()") throws(ABIError) {
        let parsed = try ABISignature(signature)
        self.signature = parsed.canonical
        inputs = parsed.parameters.map(\.type)
        outputs = try ABISignature(returns).parameters.map(\.type)
        selector = Array(Keccak256.hash(parsed.canonical.utf8).bytes.prefix(4))
    }

    /// Calldata.
    public func call(_ arguments: [ABIValue] = []) throws(ABIError) -> [UInt8] {
        selector + (try ABI.encode(arguments, as: inputs))
    }

    /// The arguments in calldata; nil when it is of another function.
    public func arguments(of calldata: [UInt8]) throws(ABIError) -> [ABIValue]? {
        guard calldata.starts(with: selector) else { return nil }
        return try ABI.decode(Array(calldata.dropFirst(4)), as: inputs)
    }

    /// What `eth_call` gave.
    public func decode(_ answer: [UInt8]) throws(ABIError) -> [ABIValue] {
        try ABI.decode(answer, as: outputs)
    }
}

/// An event of a contract.
public struct ABIEvent: Hashable, Sendable {
    public let signature: String
    /// Its first topic.
    public let topic: Hash32
    private let parameters: [ABISignature.Parameter]

    /// - Parameter signature: `Transfer(address indexed from, address indexed to, uint256 value)`.
    public init(_ signature: String) throws(ABIError) {
        let parsed = try ABISignature(signature)
        self.signature = parsed.canonical
        topic = Keccak256.hash(parsed.canonical.utf8)
        parameters = parsed.parameters
    }

    /// Its arguments in their order; indexed ones of dynamic type are told as their hash. nil when the log is of another
    /// event.
    public func decode(topics: [Hash32], data: [UInt8]) throws(ABIError) -> [ABIValue]? {
        guard topics.first == topic else { return nil }
        let indexed = parameters.filter(\.indexed)
        guard topics.count == indexed.count + 1 else {
            throw ABIError(
                description: "\(signature): \(topics.count - 1) indexed arguments instead of \(indexed.count)")
        }
        var fromTopics: [ABIValue] = []
        for (parameter, topic) in zip(indexed, topics.dropFirst()) {
            let type = parameter.type
            switch type {
            case .uint, .int, .address, .bool, .fixedBytes:
                fromTopics += try ABI.decode(topic.bytes, as: [type])
            default:
                fromTopics.append(.hash(topic))
            }
        }
        var plain = try ABI.decode(data, as: parameters.filter { !$0.indexed }.map(\.type))[...]
        var topicValues = fromTopics[...]
        return parameters.compactMap { $0.indexed ? topicValues.popFirst() : plain.popFirst() }
    }
}

/// A custom error of a contract, or one of Solidity's own.
public struct ABIErrorType: Hashable, Sendable {
    public let signature: String
    private let function: ABIFunction

    /// `require` with a text.
    public static let error = known("Error(string)")
    /// Arithmetic, array bounds, enum values and the like, by number.
    public static let panic = known("Panic(uint256)")

    public init(_ signature: String) throws(ABIError) {
        function = try ABIFunction(signature)
        self.signature = function.signature
    }

    private static func known(_ signature: String) -> ABIErrorType {
        do {
            return try ABIErrorType(signature)
        } catch {
            preconditionFailure("\(error)")
        }
    }

    /// Its arguments; nil when the revert data is of another error.
    public func decode(_ revertData: [UInt8]) throws(ABIError) -> [ABIValue]? {
        try function.arguments(of: revertData)
    }

    /// For people: `Error("out of credits")`, `Panic(0x11)`, `NoJob()`, or the bytes.
    public static func describe(_ revertData: [UInt8], known: [ABIErrorType] = []) -> String {
        if revertData.isEmpty { return "reverted without a reason" }
        if let text = try? error.decode(revertData)?.first?.string { return "Error(\"\(text)\")" }
        if let code = try? panic.decode(revertData)?.first?.uint { return "Panic(\(Quantity.encode(code)))" }
        for type in known {
            guard let values = try? type.decode(revertData) else { continue }
            let name = type.signature.prefix { $0 != "(" }
            return name + "(" + values.map(words).joined(separator: ", ") + ")"
        }
        return Hex.data(revertData.prefix(256)) + (revertData.count > 256 ? "…" : "")
    }

    private static func words(_ value: ABIValue) -> String {
        switch value {
        case .uint(let number): "\(number)"
        case .int(let number): "\(number)"
        case .address(let address): address.checksummed
        case .bool(let bool): "\(bool)"
        case .fixedBytes(let bytes), .bytes(let bytes): Hex.data(bytes)
        case .string(let text): "\"\(text)\""
        case .array(let values): "[" + values.map(words).joined(separator: ", ") + "]"
        case .tuple(let values): "(" + values.map(words).joined(separator: ", ") + ")"
        }
    }
}
