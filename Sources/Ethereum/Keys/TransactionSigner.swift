// SPDX-License-Identifier: GPL-3.0-or-later

/// Signs for one account.
public protocol TransactionSigner: Sendable {
    var address: Address { get }

    func sign(_ transaction: UnsignedTransaction) async throws(KeyError) -> SignedTransaction
    /// EIP-191.
    func sign(message: [UInt8]) async throws(KeyError) -> Signature
}

/// With a key in this process.
public struct LocalSigner: TransactionSigner {
    private let key: PrivateKey

    public init(_ key: PrivateKey) {
        self.key = key
    }

    public var address: Address { key.address }

    public func sign(_ transaction: UnsignedTransaction) async throws(KeyError) -> SignedTransaction {
        transaction.signed(by: try key.sign(hash: transaction.signingHash))
    }

    public func sign(message: [UInt8]) async throws(KeyError) -> Signature {
        try key.sign(hash: PersonalMessage.hash(message))
    }
}
