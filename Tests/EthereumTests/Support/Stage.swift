// SPDX-License-Identifier: GPL-3.0-or-later

import BigInt
import Foundation

@testable import Ethereum

let gwei = BigUInt(1_000_000_000)

/// A machine with a clock, a key and a chain that does as it is told.
struct Stage {
    static let key: PrivateKey = {
        do {
            return try PrivateKey(hex: Vectors.key)
        } catch {
            preconditionFailure("\(error)")
        }
    }()
    static let contract = Address(unchecked: [UInt8](repeating: 0xCC, count: 20))
    static let classes = [
        TransactionClass("status", priority: 0, isEssential: true),
        TransactionClass("claim", priority: 1, isEssential: false, dailyCap: BigUInt(10).power(18)),
    ]

    var machine: TransactionMachine
    var now = Date(timeIntervalSince1970: 1_700_000_000)
    /// Everything that was broadcast, in order.
    var sent: [SignedTransaction] = []
    var changes: [TransactionMachine.Change] = []
    var outcomes: [String] = []
    var view: ChainView
    var signingFails = false

    init(_ settings: TransactionSettings = TransactionSettings(), classes: [TransactionClass] = Stage.classes) {
        machine = TransactionMachine(chainID: 1337, address: Self.key.address, settings: settings, classes: classes)
        view = ChainView(
            head: BlockHeader(
                reference: BlockReference(number: 100, hash: Self.hash(100)), parent: Self.hash(99), timestamp: 0,
                baseFee: gwei, gasLimit: 30_000_000),
            count: 5, market: FeeMarket(baseFee: gwei, tip: gwei, gasPrice: 2 * gwei), balance: BigUInt(10).power(20))
    }

    static func hash(_ number: UInt64, fork: UInt8 = 0) -> Hash32 {
        Hash32([UInt8](repeating: fork, count: 24) + withUnsafeBytes(of: number.bigEndian, Array.init))
    }

    // MARK: steps

    mutating func submit(
        _ keys: String..., of name: String = "status", gas: UInt64? = 50_000, call: String = "f", bytes: Int = 4
    ) {
        for key in keys {
            machine.add(
                TransactionIntent(
                    key: key, className: name, recipient: Self.contract, data: [UInt8](repeating: 1, count: bytes),
                    call: call,
                    gasLimit: gas))
        }
        drive()
    }

    /// A node tells where the chain is.
    mutating func poll(count: UInt64? = nil, head: UInt64? = nil) {
        if let count { view.count = count }
        if let head {
            view.head.reference = BlockReference(number: head, hash: Self.hash(head))
        }
        machine.observe(view, at: now)
        drive()
    }

    mutating func drive() {
        var guarded = 0
        while let draft = machine.nextDraft(at: now) {
            guarded += 1
            precondition(guarded < 1000, "the machine asks for drafts without end")
            do throws(KeyError) {
                if signingFails { throw KeyError(.failed, "no signer") }
                let signature = try Self.key.sign(hash: draft.transaction.signingHash)
                machine.signed(draft, draft.transaction.signed(by: signature), at: now)
            } catch {
                machine.signingFailed(error.message, at: now)
            }
        }
        changes += machine.takeChanges()
        sent += machine.takeBroadcasts()
        outcomes += machine.takeOutcomes().map { "\($0.intent.key) \($0.outcome.word)" }
    }

    /// Time passes, and the chain makes a block without anything of ours.
    mutating func pass(_ seconds: Double) {
        now += seconds
        if machine.view != nil {
            let next = view.head.number + 1
            view.head.reference = BlockReference(number: next, hash: Self.hash(next))
            machine.view?.head = view.head
            machine.viewAt = now
        }
        drive()
    }

    mutating func answer(_ transaction: SignedTransaction?, _ refusal: RPCError.Refusal?) {
        guard let transaction else { return }
        machine.answered(
            transaction.hash, refusal.map { .failure(RPCError(.refused($0), "\($0)")) } ?? .success(()), at: now)
        drive()
    }

    mutating func receive(
        _ transaction: SignedTransaction?, block: UInt64 = 101, fork: UInt8 = 0, succeeded: Bool = true,
        gasUsed: UInt64 = 40_000, canonical: Hash32? = nil
    ) {
        guard let transaction else { return }
        let reference = BlockReference(number: block, hash: Self.hash(block, fork: fork))
        machine.received(
            TransactionReceipt(
                transaction: transaction.hash, block: reference, succeeded: succeeded, gasUsed: gasUsed,
                gasPrice: 2 * gwei),
            canonical: canonical ?? reference.hash, at: now)
        drive()
    }

    // MARK: what is looked at

    var nonces: [UInt64] { sent.map(\.unsigned.nonce) }
    var alarms: Set<TransactionAlarm> { Set(machine.alarms.keys) }

    func last(_ nonce: UInt64) -> SignedTransaction? {
        sent.last { $0.unsigned.nonce == nonce }
    }

    func fee(_ nonce: UInt64) -> Fee? { last(nonce)?.unsigned.fee }
}
