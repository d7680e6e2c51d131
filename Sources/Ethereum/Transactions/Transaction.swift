// SPDX-License-Identifier: GPL-3.0-or-later

public import BigInt

/// What a transaction offers for each unit of gas, in wei.
public enum Fee: Hashable, Sendable {
    /// Before EIP-1559: one price.
    case legacy(price: BigUInt)
    /// EIP-1559: the block's base fee and the tip, together at most `cap`.
    case dynamic(tip: BigUInt, cap: BigUInt)

    /// The most that a unit of gas can cost.
    public var cap: BigUInt {
        switch self {
        case .legacy(let price): price
        case .dynamic(_, let cap): cap
        }
    }
}

/// A transaction before it is signed. Without an access list: what calls a contract of one's own needs none.
public struct UnsignedTransaction: Hashable, Sendable {
    public var chainID: UInt64
    public var nonce: UInt64
    public var recipient: Address
    /// Wei.
    public var value: BigUInt
    public var data: [UInt8]
    public var gasLimit: UInt64
    public var fee: Fee

    public init(
        chainID: UInt64, nonce: UInt64, recipient: Address, value: BigUInt = 0, data: [UInt8] = [], gasLimit: UInt64,
        fee: Fee
    ) {
        self.chainID = chainID
        self.nonce = nonce
        self.recipient = recipient
        self.value = value
        self.data = data
        self.gasLimit = gasLimit
        self.fee = fee
    }

    /// The most that it can cost, in wei.
    public var maximumCost: BigUInt { value + fee.cap * BigUInt(gasLimit) }

    /// What is signed: EIP-155 for legacy ones, EIP-1559.
    public var signingHash: Hash32 {
        switch fee {
        case .legacy:
            Keccak256.hash(RLP.list(fields + [.number(chainID), .number(UInt64(0)), .number(UInt64(0))]).encoded)
        case .dynamic:
            Keccak256.hash([2] + RLP.list(fields).encoded)
        }
    }

    public func signed(by signature: Signature) -> SignedTransaction {
        let tail: [RLP] = [
            .number(BigUInt(wordData: signature.r)), .number(BigUInt(wordData: signature.s)),
        ]
        let raw: [UInt8] =
            switch fee {
            case .legacy:
                RLP.list(fields + [.number(BigUInt(chainID) * 2 + 35 + BigUInt(signature.parity))] + tail).encoded
            case .dynamic:
                [2] + RLP.list(fields + [.number(UInt64(signature.parity))] + tail).encoded
            }
        return SignedTransaction(unsigned: self, signature: signature, raw: raw, hash: Keccak256.hash(raw))
    }

    private var fields: [RLP] {
        let body: [RLP] = [.number(gasLimit), .bytes(recipient.bytes), .number(value), .bytes(data)]
        return switch fee {
        case .legacy(let price): [.number(nonce), .number(price)] + body
        case .dynamic(let tip, let cap):
            [.number(chainID), .number(nonce), .number(tip), .number(cap)] + body + [.list([])]
        }
    }
}

/// A transaction as it is broadcast.
public struct SignedTransaction: Hashable, Sendable {
    public let unsigned: UnsignedTransaction
    public let signature: Signature
    public let raw: [UInt8]
    public let hash: Hash32

    /// nil when the signature is of nobody.
    public var sender: Address? { signature.signer(of: unsigned.signingHash) }

    init(unsigned: UnsignedTransaction, signature: Signature, raw: [UInt8], hash: Hash32) {
        self.unsigned = unsigned
        self.signature = signature
        self.raw = raw
        self.hash = hash
    }

    /// Reads a broadcast form: legacy with EIP-155, or EIP-1559 with an empty access list; nothing else is ever made here.
    public init(decoding raw: [UInt8]) throws(RLP.Malformed) {
        let isDynamic = raw.first == 2
        guard case .list(let items) = try RLP(decoding: isDynamic ? Array(raw.dropFirst()) : raw) else {
            throw RLP.Malformed(description: "no transaction: not a list")
        }
        var fields = Fields(items: items[...])
        let transaction: UnsignedTransaction
        let parity: UInt64
        if isDynamic {
            guard items.count == 12, items[8] == .list([]) else {
                throw RLP.Malformed(description: "no EIP-1559 transaction without access list")
            }
            let (chainID, nonce) = (try fields.uint64(), try fields.uint64())
            let fee = Fee.dynamic(tip: try fields.number(), cap: try fields.number())
            transaction = try fields.body(chainID: chainID, nonce: nonce, fee: fee)
            fields.items.removeFirst()
            parity = try fields.uint64()
        } else {
            guard items.count == 9 else { throw RLP.Malformed(description: "no legacy transaction") }
            let nonce = try fields.uint64()
            let fee = Fee.legacy(price: try fields.number())
            var legacy = try fields.body(chainID: 0, nonce: nonce, fee: fee)
            let v = try fields.uint64()
            guard v >= 37 else { throw RLP.Malformed(description: "a legacy transaction without chain id (EIP-155)") }
            legacy.chainID = (v - 35) / 2
            parity = (v - 35) % 2
            transaction = legacy
        }
        let (r, s) = (try fields.word(), try fields.word())
        guard parity <= 1 else { throw RLP.Malformed(description: "no signature: parity \(parity)") }
        self.init(
            unsigned: transaction, signature: Signature(r: r, s: s, parity: UInt8(parity)), raw: raw,
            hash: Keccak256.hash(raw))
    }

    private struct Fields {
        var items: ArraySlice<RLP>

        mutating func bytes() throws(RLP.Malformed) -> [UInt8] {
            guard case .bytes(let bytes) = items.popFirst() else {
                throw RLP.Malformed(description: "no transaction: a list where bytes must be")
            }
            return bytes
        }

        mutating func number() throws(RLP.Malformed) -> BigUInt {
            let bytes = try bytes()
            guard bytes.count <= 32, bytes.first != 0 else {
                throw RLP.Malformed(description: "no transaction: a number with leading zeros or of more than 256 bits")
            }
            return BigUInt(wordData: bytes)
        }

        mutating func uint64() throws(RLP.Malformed) -> UInt64 {
            guard let number = UInt64(exactly: try number()) else {
                throw RLP.Malformed(description: "no transaction: a number of more than 64 bits")
            }
            return number
        }

        mutating func word() throws(RLP.Malformed) -> [UInt8] {
            try number().word ?? []
        }

        mutating func body(chainID: UInt64, nonce: UInt64, fee: Fee) throws(RLP.Malformed) -> UnsignedTransaction {
            let gasLimit = try uint64()
            guard let recipient = Address(try bytes()) else {
                throw RLP.Malformed(description: "no transaction to an address")
            }
            return UnsignedTransaction(
                chainID: chainID, nonce: nonce, recipient: recipient, value: try number(), data: try bytes(),
                gasLimit: gasLimit, fee: fee)
        }
    }
}
