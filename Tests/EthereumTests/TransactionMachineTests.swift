// SPDX-License-Identifier: GPL-3.0-or-later

import BigInt
import Foundation
import Testing

@testable import Ethereum

/// One story of the machine, and what would go wrong without the rule that it tries.
struct MachineCase: Sendable, CustomTestStringConvertible {
    var name: String
    var guards: String
    var play: @Sendable (inout Stage) -> Void
    var settings: TransactionSettings
    var classes: [TransactionClass]

    init(
        _ name: String, guards: String, _ change: (inout TransactionSettings) -> Void = { _ in },
        classes: [TransactionClass] = Stage.classes, play: @escaping @Sendable (inout Stage) -> Void
    ) {
        self.name = name
        self.guards = guards
        self.play = play
        self.classes = classes
        settings = TransactionSettings()
        change(&settings)
    }

    var testDescription: String { "\(name) (guards against \(guards))" }
}

@Suite("Transaction machine")
struct TransactionMachineTests {
    @Test("cases", arguments: sending + replacing + answers + receipts + forks + doubts + holding)
    func story(_ story: MachineCase) {
        var stage = Stage(story.settings, classes: story.classes)
        story.play(&stage)
    }

    @Test("each case has its own name and failure")
    func distinct() {
        let all = Self.sending + Self.replacing + Self.answers + Self.receipts + Self.forks + Self.doubts + Self.holding
        #expect(Set(all.map(\.name)).count == all.count)
        #expect(Set(all.map(\.guards)).count == all.count)
    }

    // MARK: sending

    static let sending: [MachineCase] = [
        MachineCase("nothing before the chain was seen", guards: "a nonce out of thin air") { stage in
            stage.submit("a")
            #expect(stage.sent.isEmpty)
            stage.poll()
            #expect(stage.nonces == [5])
        },
        MachineCase("on the disk first", guards: "a broadcast that a crash forgets") { stage in
            stage.poll()
            stage.machine.add(
                TransactionIntent(key: "a", className: "status", recipient: Stage.contract, gasLimit: 50_000))
            if let draft = stage.machine.nextDraft(at: stage.now),
                let signature = try? Stage.key.sign(hash: draft.transaction.signingHash)
            {
                stage.machine.signed(draft, draft.transaction.signed(by: signature), at: stage.now)
            }
            let changes = stage.machine.takeChanges()
            #expect(changes.contains { if case .intent = $0 { true } else { false } })
            #expect(
                changes.contains { if case .version(let attempt) = $0 { attempt.versions.count == 1 } else { false } })
            let broadcasts = stage.machine.takeBroadcasts()
            #expect(broadcasts.count == 1)
        },
        MachineCase("nonces follow one another", guards: "holes and doubles in a burst") { stage in
            stage.poll()
            stage.submit("a", "b", "c")
            #expect(stage.nonces == [5, 6, 7])
        },
        MachineCase("a node that counts less changes nothing", guards: "a nonce used twice because a node lags") {
            stage in
            stage.poll()
            stage.submit("a", "b")
            stage.poll(count: 3)
            stage.submit("c")
            #expect(stage.last(7) != nil)
            #expect(stage.nonces.max() == 7)
        },
        MachineCase("what is final counts even if a node forgot it", guards: "a used nonce after everything is mined") {
            stage in
            stage.poll()
            stage.submit("a")
            stage.poll(count: 6)
            stage.receive(stage.last(5))
            stage.poll(count: 4)
            stage.submit("b")
            #expect(stage.nonces.max() == 6)
        },
        MachineCase(
            "no more in flight than the limit", guards: "a pool that throws out what is too much",
            { $0.inFlightLimit = 4 }
        ) { stage in
            stage.poll()
            stage.submit("a", "b", "c", "d", "e")
            #expect(stage.nonces == [5, 6, 7, 8])
            stage.poll(count: 6)
            stage.receive(stage.last(5))
            #expect(stage.nonces == [5, 6, 7, 8, 9])
        },
        MachineCase(
            "a part is kept for what is essential", guards: "statuses that wait behind claims", { $0.inFlightLimit = 8 }
        ) { stage in
            stage.poll()
            for number in 0..<10 { stage.submit("claim \(number)", of: "claim") }
            #expect(stage.sent.count == 6)
            stage.submit("status")
            #expect(stage.sent.count == 7)
        },
        MachineCase("statuses before claims", guards: "pay lost to a queue of claims", { $0.inFlightLimit = 4 }) {
            stage in
            stage.submit("claim", of: "claim")
            stage.submit("status")
            stage.poll()
            #expect(stage.sent.count == 2)
            #expect(stage.machine.sending.values.first { $0.intent.key == "status" } != nil)
            #expect(stage.machine.attempts.first?.intent == 2)
        },
        MachineCase("the order within a class stays", guards: "Finished before Running") { stage in
            stage.submit("running", gas: nil, call: "unknown")
            stage.submit("finished")
            stage.poll()
            #expect(stage.sent.isEmpty, "the first waits for its gas, and so does the second")
            let wanted = stage.machine.takeEstimates()
            #expect(wanted.map(\.key) == ["running"])
            stage.machine.estimated(wanted[0], 30_000)
            stage.drive()
            #expect(stage.machine.attempts.map(\.intent) == [1, 2])
        },
        MachineCase("dynamic fees leave room for six full blocks", guards: "a transaction stuck by one busy block") {
            stage in
            stage.poll()
            stage.submit("a")
            #expect(stage.fee(5) == .dynamic(tip: gwei, cap: 3 * gwei))
        },
        MachineCase("legacy where the chain has no base fee", guards: "a type that an old chain refuses") { stage in
            stage.view.market.baseFee = nil
            stage.poll()
            stage.submit("a")
            #expect(stage.fee(5) == .legacy(price: 2 * gwei))
        },
        MachineCase(
            "legacy when the configuration says so", guards: "a chain that only claims to know EIP-1559",
            { $0.legacyOnly = true }
        ) { stage in
            stage.poll()
            stage.submit("a")
            #expect(stage.fee(5) == .legacy(price: 2 * gwei))
        },
    ]

    // MARK: replacing

    static let replacing: [MachineCase] = [
        MachineCase("silence: the same bytes again", guards: "a broadcast that a node forgot") { stage in
            stage.poll()
            stage.submit("a")
            stage.pass(6)
            stage.poll()
            #expect(stage.sent.count == 2)
            #expect(stage.sent[0].raw == stage.sent[1].raw)
        },
        MachineCase("not again at once", guards: "a node flooded with copies") { stage in
            stage.poll()
            stage.submit("a")
            for _ in 0..<4 {
                stage.pass(1)
                stage.poll()
            }
            #expect(stage.sent.count == 1)
        },
        MachineCase("after the deadline a dearer one with the same nonce", guards: "a transaction that waits for ever")
        { stage in
            stage.poll()
            stage.submit("a")
            stage.pass(31)
            #expect(stage.nonces == [5, 5])
            guard case .dynamic(let tip, let cap) = stage.fee(5) else { return }
            #expect(tip * 10 >= gwei * 11 && cap * 10 >= 3 * gwei * 11)
            #expect(stage.sent[1].unsigned.data == stage.sent[0].unsigned.data)
        },
        MachineCase("the market's price when that is more", guards: "many small steps behind a spike") { stage in
            stage.poll()
            stage.submit("a")
            stage.view.market = FeeMarket(baseFee: 50 * gwei, tip: 2 * gwei, gasPrice: 52 * gwei)
            stage.now += 31
            stage.poll(head: 101)
            #expect(stage.fee(5) == .dynamic(tip: 2 * gwei, cap: 102 * gwei))
        },
        MachineCase("from the lowest nonce up", guards: "dear ones behind a cheap one that holds them all up") {
            stage in
            stage.poll()
            stage.submit("a")
            stage.pass(20)
            stage.submit("b")
            stage.pass(11)
            #expect(stage.nonces == [5, 6, 5], "the second's time has not come")
            stage.pass(20)
            #expect(stage.nonces == [5, 6, 5, 6], "it has, and the one before it is dearer already")
        },
        MachineCase("a burst is replaced as a whole, in order", guards: "only the first of many made dearer") { stage in
            stage.poll()
            stage.submit("a", "b", "c")
            stage.pass(31)
            #expect(stage.nonces == [5, 6, 7, 5, 6, 7])
        },
        MachineCase(
            "at the ceiling it is sent on as it is, with an alarm", guards: "a status dropped because fees rose",
            { $0.feeCeiling = 3 * gwei }
        ) { stage in
            stage.poll()
            stage.submit("a")
            stage.pass(31)
            #expect(stage.alarms == [.feeCeiling])
            #expect(Set(stage.sent.map(\.hash)).count == 1)
            for _ in 0..<5 {
                stage.now += 6
                stage.poll()
            }
            #expect(stage.sent.count > 3)
            #expect(stage.machine.attempts.count == 1)
        },
        MachineCase(
            "a chain above the ceiling is told", guards: "silence while nothing can be mined",
            { $0.feeCeiling = 10 * gwei }
        ) { stage in
            stage.view.market.baseFee = 20 * gwei
            stage.poll()
            stage.submit("a")
            #expect(stage.alarms == [.feeCeiling])
            #expect(stage.fee(5)?.cap == 10 * gwei)
            stage.view.market.baseFee = gwei
            stage.poll()
            #expect(stage.alarms == [])
        },
        MachineCase(
            "every hash of an intent counts",
            guards: "a replaced transaction that is mined after all, taken for foreign"
        ) { stage in
            stage.poll()
            stage.submit("a")
            stage.pass(31)
            stage.poll(count: 6)
            #expect(stage.machine.watches.count == 2)
            stage.receive(stage.sent.first)
            #expect(stage.outcomes == ["a succeeded"])
        },
        MachineCase("no block was seen since", guards: "fees driven up while every node is away") { stage in
            stage.poll()
            stage.submit("a")
            for _ in 0..<24 {
                stage.now += 30
                stage.drive()
            }
            #expect(stage.nonces == [5], "nothing was heard of the chain")
            for _ in 0..<24 {
                stage.now += 30
                stage.poll()
            }
            #expect(Set(stage.sent.map(\.hash)).count == 1, "its head stands still")
            stage.poll(head: 101)
            #expect(Set(stage.sent.map(\.hash)).count == 2)
        },
        MachineCase(
            "no block is made for want of a dearer one",
            guards:
                "a chain that makes a block only when there is something to put into it, and asks for more than before"
        ) { stage in
            stage.poll()
            stage.submit("a", "b")
            stage.view.market = FeeMarket(baseFee: gwei, tip: 8 * gwei, gasPrice: 9 * gwei)
            for _ in 0..<29 {
                stage.now += 1
                stage.poll()
            }
            #expect(Set(stage.sent.map(\.hash)).count == 2, "its time has not come")
            stage.now += 2
            stage.poll()
            #expect(stage.fee(5) == .dynamic(tip: 8 * gwei, cap: 10 * gwei))
            #expect(stage.fee(6) == .dynamic(tip: 8 * gwei, cap: 10 * gwei))
            for _ in 0..<10 {
                stage.now += 31
                stage.poll()
            }
            #expect(Set(stage.sent.map(\.hash)).count == 4, "they offer what is asked for, and no block came")
        },
        MachineCase(
            "no block is made below the base fee", guards: "a base fee that rose while a transaction was on its way"
        ) { stage in
            stage.poll()
            stage.submit("a")
            stage.view.market = FeeMarket(baseFee: 4 * gwei, tip: gwei, gasPrice: 5 * gwei)
            stage.now += 31
            stage.poll()
            #expect(stage.fee(5) == .dynamic(tip: gwei + gwei / 8 + 1, cap: 9 * gwei))
        },
        MachineCase(
            "no block is made for a legacy price", guards: "a chain of one price that asks for more than before",
            { $0.legacyOnly = true }
        ) { stage in
            stage.view.market = FeeMarket(baseFee: nil, tip: 0, gasPrice: 2 * gwei)
            stage.poll()
            stage.submit("a")
            stage.view.market.gasPrice = 3 * gwei
            stage.now += 31
            stage.poll()
            #expect(stage.fee(5) == .legacy(price: 3 * gwei))
            stage.now += 31
            stage.poll()
            #expect(Set(stage.sent.map(\.hash)).count == 2)
        },
        MachineCase("never more than five times the market", guards: "a lost transaction that is bid up to the ceiling")
        {
            stage in
            stage.poll()
            stage.submit("a")
            for _ in 0..<40 {
                stage.pass(31)
                stage.answer(stage.last(5), .underpriced)
            }
            #expect(stage.fee(5).map { $0.cap > 13 * gwei && $0.cap <= 15 * gwei } == true)
            _ = stage.machine.bump("a")
            stage.pass(2)
            #expect((stage.fee(5)?.cap ?? 0) > 15 * gwei, "an administrator may")
        },
        MachineCase("an administrator's bump", guards: "a stuck transaction that nobody can hurry") { stage in
            stage.poll()
            stage.submit("a")
            stage.pass(2)
            let (found, other) = (stage.machine.bump("a"), stage.machine.bump("b"))
            #expect(found && !other)
            stage.drive()
            #expect(stage.nonces == [5, 5])
        },
        MachineCase("cancelling what waits", guards: "a transaction that nobody wants any more") { stage in
            stage.submit("a")
            let cancelled = stage.machine.cancel("a")
            #expect(cancelled)
            stage.poll()
            #expect(stage.sent.isEmpty && stage.outcomes == ["a cancelled"])
        },
        MachineCase(
            "cancelling what was sent: the nonce is used by nothing", guards: "a hole that holds up all later nonces"
        ) { stage in
            stage.poll()
            stage.submit("a", "b")
            let cancelled = stage.machine.cancel("a")
            #expect(cancelled)
            stage.drive()
            #expect(stage.last(5)?.unsigned.recipient == Stage.key.address)
            #expect(stage.last(5)?.unsigned.data == [])
            stage.poll(count: 6)
            stage.receive(stage.last(5))
            #expect(stage.outcomes == ["a cancelled"])
        },
        MachineCase("a cancellation that lost", guards: "an effect that is told as cancelled") { stage in
            stage.poll()
            stage.submit("a")
            _ = stage.machine.cancel("a")
            stage.drive()
            stage.poll(count: 6)
            stage.receive(stage.sent.first)
            #expect(stage.outcomes == ["a succeeded"])
        },
    ]

    // MARK: a node's answers

    static let answers: [MachineCase] = [
        MachineCase("already known is as good as taken", guards: "a copy taken for a failure") { stage in
            stage.poll()
            stage.submit("a")
            stage.answer(stage.last(5), .alreadyKnown)
            #expect(stage.sent.count == 1 && stage.alarms.isEmpty)
        },
        MachineCase("underpriced: a dearer one soon", guards: "waiting out the deadline below the minimum") { stage in
            stage.poll()
            stage.submit("a")
            stage.answer(stage.last(5), .underpriced)
            #expect(stage.sent.count == 1)
            stage.pass(1)
            #expect(stage.nonces == [5, 5])
        },
        MachineCase("replacement underpriced: dearer again", guards: "a replacement that is refused for ever") {
            stage in
            stage.poll()
            stage.submit("a")
            stage.pass(31)
            stage.answer(stage.last(5), .replacementUnderpriced)
            stage.pass(1)
            #expect(stage.nonces == [5, 5, 5])
        },
        MachineCase(
            "nonce too low: look for the receipt, send nothing",
            guards: "a second transaction for what was mined unseen"
        ) { stage in
            stage.poll()
            stage.submit("a")
            stage.answer(stage.last(5), .nonceTooLow)
            #expect(stage.machine.watches.map(\.hash) == [stage.sent[0].hash])
            stage.receive(stage.sent.first)
            #expect(stage.outcomes == ["a succeeded"] && stage.sent.count == 1)
        },
        MachineCase(
            "too little money: told until there is enough, and sent again", guards: "a status lost to an empty account"
        ) { stage in
            stage.view.balance = gwei
            stage.poll()
            stage.submit("a")
            stage.answer(stage.last(5), .insufficientFunds)
            #expect(stage.alarms == [.insufficientFunds])
            for balance in [gwei, 2 * gwei, 3 * gwei * 50_000 - 1] {
                stage.now += 6
                stage.view.balance = balance
                stage.poll()
                #expect(stage.alarms == [.insufficientFunds], "\(balance) wei are not enough")
            }
            #expect(stage.sent.count == 4)
            stage.view.balance = 3 * gwei * 50_000
            stage.poll()
            #expect(stage.alarms.isEmpty)
        },
        MachineCase("too little money in a node's eyes only", guards: "an alarm that comes and goes with each poll") {
            stage in
            stage.poll()
            stage.submit("a")
            for _ in 0..<3 {
                stage.answer(stage.last(5), .insufficientFunds)
                stage.now += 6
                stage.poll()
                #expect(stage.alarms == [.insufficientFunds])
            }
            stage.answer(stage.last(5), nil)
            #expect(stage.alarms.isEmpty)
        },
        MachineCase("a refusal lasts, whatever else goes out", guards: "an alarm that another one's success takes away")
        {
            stage in
            stage.poll()
            stage.submit("a", "b")
            stage.answer(stage.last(5), .other)
            stage.answer(stage.last(6), nil)
            #expect(stage.alarms == [.rejected])
            stage.poll()
            #expect(stage.alarms == [.rejected])
            stage.poll(count: 6)
            #expect(stage.alarms.isEmpty, "it was mined after all")
        },
        MachineCase("more gas than a block has: less, same nonce", guards: "a gas limit that no block takes") { stage in
            stage.poll()
            stage.submit("a", gas: 20_000_000)
            stage.view.head.gasLimit = 8_000_000
            stage.poll()
            stage.answer(stage.last(5), .gasLimitTooHigh)
            stage.pass(1)
            #expect(stage.last(5)?.unsigned.gasLimit == 8_000_000)
        },
        MachineCase("too little gas to begin with: more, same nonce", guards: "calldata that costs more than the limit")
        { stage in
            stage.poll()
            stage.submit("a", gas: 21_000)
            stage.answer(stage.last(5), .gasLimitTooLow)
            stage.pass(1)
            #expect(stage.last(5)?.unsigned.gasLimit == 42_000)
        },
        MachineCase("a node without EIP-1559", guards: "a type that is refused for ever") { stage in
            stage.poll()
            stage.submit("a")
            stage.answer(stage.last(5), .typeNotSupported)
            stage.pass(1)
            guard case .legacy = stage.fee(5) else {
                Issue.record("still \(String(describing: stage.fee(5)))")
                return
            }
            stage.submit("b")
            if case .dynamic = stage.fee(6) { Issue.record("the next one too") }
        },
        MachineCase("a refusal that nothing mends is told, and tried on", guards: "an intent that is silently dropped")
        { stage in
            stage.poll()
            stage.submit("a")
            stage.answer(stage.last(5), .other)
            #expect(stage.alarms == [.rejected])
            stage.now += 6
            stage.poll()
            stage.answer(stage.last(5), nil)
            #expect(stage.sent.count == 2 && stage.alarms.isEmpty)
        },
        MachineCase("a full pool is no reason to pay more", guards: "fees driven up by a node's limits") { stage in
            stage.poll()
            stage.submit("a")
            stage.answer(stage.last(5), .poolFull)
            stage.pass(6)
            stage.poll()
            #expect(Set(stage.sent.map(\.hash)).count == 1)
        },
    ]

    // MARK: receipts and gas

    static let receipts: [MachineCase] = [
        MachineCase(
            "the first receipt is final on an instant chain",
            guards: "waiting for blocks that an idle chain never makes"
        ) { stage in
            stage.poll()
            stage.submit("a")
            stage.poll(count: 6)
            stage.receive(stage.last(5), block: 100)
            #expect(stage.outcomes == ["a succeeded"] && stage.machine.attempts.isEmpty)
        },
        MachineCase("without effect: the caller decides", guards: "the same failing call sent again and again") {
            stage in
            stage.poll()
            stage.submit("a")
            stage.poll(count: 6)
            stage.receive(stage.last(5), succeeded: false, gasUsed: 30_000)
            #expect(stage.outcomes == ["a reverted"] && stage.sent.count == 1)
        },
        MachineCase("gas used up: again with twice as much", guards: "a status given up for want of gas") { stage in
            stage.poll()
            stage.submit("a", gas: nil, call: "g")
            stage.machine.estimated(
                TransactionIntent(
                    key: "a", className: "status", recipient: Stage.contract, data: [1, 1, 1, 1], call: "g"), 40_000)
            stage.drive()
            #expect(stage.last(5)?.unsigned.gasLimit == 52_000)
            stage.poll(count: 6)
            stage.receive(stage.last(5), succeeded: false, gasUsed: 51_500)
            #expect(stage.outcomes.isEmpty)
            #expect(stage.last(6)?.unsigned.gasLimit == 104_000)
            stage.submit("b", gas: nil, call: "g")
            #expect(stage.last(7)?.unsigned.gasLimit == 104_000, "its like would fail as the first one did")
        },
        MachineCase(
            "gas is learned, with a margin, and for longer data more", guards: "a question to a node before each status"
        ) { stage in
            stage.poll()
            stage.submit("a", gas: nil, call: "g")
            _ = stage.machine.takeEstimates()
            stage.machine.estimated(
                TransactionIntent(
                    key: "a", className: "status", recipient: Stage.contract, data: [1, 1, 1, 1], call: "g"), 40_000)
            stage.drive()
            stage.submit("b", gas: nil, call: "g", bytes: 36)
            #expect(stage.last(6)?.unsigned.gasLimit == 52_000 + 32 * 720)
            let more = stage.machine.takeEstimates()
            #expect(more.isEmpty)
        },
        MachineCase(
            "what cannot be estimated goes out all the same", guards: "a status that depends on one in the pool"
        ) { stage in
            stage.poll()
            stage.submit("a", gas: nil, call: "g")
            let wanted = stage.machine.takeEstimates()
            let more = stage.machine.takeEstimates()
            #expect(wanted.count == 1 && more.isEmpty)
            stage.machine.estimated(wanted[0], nil)
            stage.drive()
            #expect(stage.last(5)?.unsigned.gasLimit == 1_000_000)
        },
        MachineCase(
            "a class with a first gas asks no node, and learns", guards: "a Running that waits for eth_estimateGas",
            classes: [TransactionClass("status", priority: 0, isEssential: true, firstGas: 300_000)]
        ) { stage in
            stage.poll()
            stage.submit("a", gas: nil, call: "g")
            stage.submit("b", gas: nil, call: "h", bytes: 356)
            let wanted = stage.machine.takeEstimates()
            #expect(wanted.isEmpty)
            #expect(stage.last(5)?.unsigned.gasLimit == 300_000)
            #expect(stage.last(6)?.unsigned.gasLimit == 300_000 + 100 * 720)
            stage.poll(count: 6)
            stage.receive(stage.last(5), gasUsed: 100_000)
            stage.submit("c", gas: nil, call: "g")
            #expect(stage.last(7)?.unsigned.gasLimit == 130_000)
            // Too little: twice as much, as ever.
            stage.poll(count: 7)
            stage.receive(stage.last(6), succeeded: false, gasUsed: 372_000)
            #expect(stage.last(8)?.unsigned.gasLimit == 744_000)
        },
        MachineCase("what waits can be withdrawn, what was signed cannot", guards: "a report about a later claim") {
            stage in
            stage.submit("a", "b")
            let (first, again) = (stage.machine.withdraw("a"), stage.machine.withdraw("a"))
            #expect(first && !again)
            stage.poll()
            #expect(stage.outcomes == ["a cancelled"] && stage.sent.count == 1)
            let signed = stage.machine.withdraw("b")
            #expect(!signed)
        },
        MachineCase("no limit above the block's", guards: "20 million gas on a chain whose blocks have 8") { stage in
            stage.view.head.gasLimit = 8_000_000
            stage.poll()
            stage.submit("a", gas: 20_000_000)
            #expect(stage.last(5)?.unsigned.gasLimit == 8_000_000)
        },
        MachineCase("a receipt of somebody else's transaction", guards: "a node's mistake taken for a success") {
            stage in
            stage.poll()
            stage.submit("a")
            let other = stage.sent[0].unsigned.signed(
                by: Signature(r: [UInt8](repeating: 1, count: 32), s: [UInt8](repeating: 1, count: 32), parity: 0))
            stage.receive(other)
            #expect(stage.outcomes.isEmpty && stage.machine.attempts.count == 1)
        },
    ]

    // MARK: forks

    private static func confirming(_ settings: inout TransactionSettings) { settings.confirmations = 3 }

    static let forks: [MachineCase] = [
        MachineCase("not final before its confirmations", guards: "a payment told that a fork takes back", confirming) {
            stage in
            stage.poll()
            stage.submit("a")
            stage.poll(count: 6, head: 101)
            stage.receive(stage.last(5), block: 101)
            #expect(stage.outcomes.isEmpty)
            stage.poll(head: 103)
            stage.receive(stage.last(5), block: 101)
            #expect(stage.outcomes.isEmpty)
            stage.poll(head: 104)
            stage.receive(stage.last(5), block: 101)
            #expect(stage.outcomes == ["a succeeded"])
        },
        MachineCase("another block in its place: sent again", guards: "a transaction lost with its block", confirming) {
            stage in
            stage.poll()
            stage.submit("a")
            stage.poll(count: 6, head: 101)
            stage.receive(stage.last(5), block: 101)
            stage.machine.lostReceipt(stage.sent[0].hash, canonical: Stage.hash(101, fork: 1), at: stage.now)
            stage.drive()
            #expect(stage.sent.count == 2 && stage.sent[0].hash == stage.sent[1].hash)
            stage.poll(count: 5)
            stage.receive(stage.last(5), block: 102, fork: 1)
            stage.poll(count: 6, head: 105)
            stage.receive(stage.last(5), block: 102, fork: 1)
            #expect(stage.outcomes == ["a succeeded"])
        },
        MachineCase(
            "no receipt and the same block proves nothing", guards: "a node that lost an index taken for a fork",
            confirming
        ) { stage in
            stage.poll()
            stage.submit("a")
            stage.poll(count: 6, head: 101)
            stage.receive(stage.last(5), block: 101)
            stage.machine.lostReceipt(stage.sent[0].hash, canonical: Stage.hash(101), at: stage.now)
            stage.machine.lostReceipt(stage.sent[0].hash, canonical: nil, at: stage.now)
            stage.drive()
            #expect(stage.sent.count == 1)
        },
        MachineCase("a receipt in a block that is not the chain's", guards: "finality on an abandoned fork", confirming)
        { stage in
            stage.poll()
            stage.submit("a")
            stage.poll(count: 6, head: 110)
            stage.receive(stage.last(5), block: 101, canonical: Stage.hash(101, fork: 9))
            #expect(stage.outcomes.isEmpty)
        },
        MachineCase("the nonce goes on above what is not final", guards: "a nonce used twice across a fork", confirming)
        { stage in
            stage.poll()
            stage.submit("a")
            stage.poll(count: 6, head: 101)
            stage.receive(stage.last(5), block: 101)
            stage.poll(count: 5, head: 101)
            stage.submit("b")
            #expect(stage.last(6) != nil)
        },
    ]

    // MARK: doubt

    static let doubts: [MachineCase] = [
        MachineCase(
            "counted and without receipt: looked for, not resent", guards: "null receipts that make a second payment"
        ) { stage in
            stage.poll()
            stage.submit("a")
            stage.poll(count: 6)
            stage.pass(40)
            stage.poll()
            #expect(stage.sent.count == 1)
            let searches = stage.machine.takeSearches(at: stage.now)
            #expect(searches.map(\.nonces) == [5...5] && searches.map(\.blocks) == [100...101])
            let again = stage.machine.takeSearches(at: stage.now)
            #expect(again.isEmpty, "once, then later again")
        },
        MachineCase("found to be ours", guards: "a late index taken for somebody else's transaction") { stage in
            stage.poll()
            stage.submit("a")
            stage.poll(count: 6)
            stage.machine.found(5, NonceOccupant(hash: stage.sent[0].hash, block: 101), downTo: 101, at: stage.now)
            stage.drive()
            #expect(stage.sent.count == 1 && stage.alarms.isEmpty)
        },
        MachineCase("found nowhere: told, and nothing sent in its place", guards: "a guess where money is at stake") {
            stage in
            stage.poll()
            stage.submit("a")
            stage.poll(count: 6)
            stage.machine.found(5, nil, downTo: 100, at: stage.now)
            stage.drive()
            #expect(stage.alarms == [.nonceInDoubt] && stage.sent.count == 1)
        },
        MachineCase("searched in parts", guards: "an alarm before all blocks were read, or none ever") { stage in
            stage.poll()
            stage.submit("a")
            stage.poll(count: 6, head: 9000)
            stage.machine.found(5, nil, downTo: 8000, at: stage.now)
            #expect(stage.alarms.isEmpty)
            stage.now += 20
            let next = stage.machine.takeSearches(at: stage.now)
            #expect(next.map(\.blocks) == [100...7999])
            stage.machine.found(5, nil, downTo: 100, at: stage.now)
            #expect(stage.alarms == [.nonceInDoubt])
        },
        MachineCase(
            "found to be foreign: the intent goes on with another nonce, claims stop",
            guards: "a second user of the key who is not noticed"
        ) { stage in
            stage.poll()
            stage.submit("a")
            stage.poll(count: 6)
            stage.machine.found(5, NonceOccupant(hash: Stage.hash(1), block: 100), downTo: 100, at: stage.now)
            stage.drive()
            #expect(stage.alarms == [.foreignNonce])
            #expect(stage.nonces == [5, 6])
            stage.submit("claim", of: "claim")
            #expect(stage.nonces == [5, 6])
            stage.submit("status")
            #expect(stage.nonces == [5, 6, 7])
            stage.machine.acknowledge()
            stage.drive()
            #expect(stage.nonces == [5, 6, 7, 8] && stage.alarms.isEmpty)
        },
        MachineCase(
            "the count jumps past us, and a block shows why", guards: "a key used elsewhere while the agent is idle"
        ) { stage in
            stage.poll()
            stage.poll(count: 9, head: 104)
            stage.submit("status")
            #expect(stage.sent.isEmpty && stage.alarms.isEmpty, "it is looked up first")
            let search = stage.machine.takeSearches(at: stage.now)
            #expect(search == [NonceSearch(nonces: 5...8, blocks: 101...104, isOfCount: true)])
            stage.machine.foundAboveOurs(
                [8: NonceOccupant(hash: Stage.hash(1), block: 103)], downTo: 101, at: stage.now)
            stage.drive()
            #expect(stage.alarms == [.foreignNonce])
            #expect(stage.machine.foreign == [5, 6, 7, 8])
            #expect(stage.nonces == [9])
            #expect(stage.changes.contains(.foreign([5, 6, 7, 8])))
        },
        MachineCase("a count that no block explains", guards: "a gap for ever because a node said a number") { stage in
            stage.poll()
            stage.submit("a")
            stage.poll(count: 6)
            stage.receive(stage.last(5))
            stage.poll(count: 11, head: 102)
            stage.submit("b")
            #expect(stage.nonces == [5])
            #expect(stage.machine.takeSearches(at: stage.now).map(\.blocks) == [101...102])
            stage.machine.foundAboveOurs([:], downTo: 101, at: stage.now)
            stage.drive()
            #expect(stage.nonces == [5, 6], "it goes on with its own nonce")
            #expect(stage.alarms.isEmpty && stage.machine.nonceFloor == 6)
            stage.now += 3
            stage.poll(count: 6, head: 105)
            stage.submit("c")
            #expect(stage.nonces == [5, 6, 7])
            stage.poll(count: 8, head: 106)
            stage.receive(stage.last(6), block: 106)
            stage.receive(stage.last(7), block: 106)
            #expect(stage.outcomes == ["a succeeded", "b succeeded", "c succeeded"])
        },
        MachineCase("nobody can say who used the nonces", guards: "statuses that wait for a search without end") {
            stage in
            stage.poll()
            stage.submit("a")
            stage.poll(count: 9)
            stage.submit("b")
            #expect(stage.nonces == [5])
            stage.pass(10)
            #expect(stage.nonces.contains(6))
        },
        MachineCase("a count of 2 to the 62nd", guards: "a range that nobody can hold") { stage in
            stage.poll()
            stage.submit("a")
            stage.poll(count: 1 << 62)
            let searches = stage.machine.takeSearches(at: stage.now)
            #expect(searches.map(\.nonces) == [6...((1 << 62) - 1)])
            stage.machine.foundAboveOurs(
                [(1 << 62) - 1: NonceOccupant(hash: Stage.hash(1), block: 100)], downTo: 100, at: stage.now)
            #expect(stage.machine.foreign.count == 100)
        },
        MachineCase("a first count that was too low", guards: "a new installation that never sends, as a node lagged") {
            stage in
            stage.poll(count: 3)
            stage.poll(count: 8, head: 101)
            _ = stage.machine.takeSearches(at: stage.now)
            stage.machine.foundAboveOurs([:], downTo: 101, at: stage.now)
            stage.submit("a")
            #expect(stage.nonces == [8] && stage.alarms.isEmpty)
        },
        MachineCase(
            "a first count that was too high is filled", guards: "a sender that a lie at its start jams for good"
        ) {
            stage in
            stage.poll(count: 7)
            stage.submit("a")
            #expect(stage.nonces == [7])
            stage.poll(count: 5, head: 101)
            stage.now += 1
            stage.poll(head: 102)
            #expect(stage.alarms == [.nonceGap])
            #expect(stage.machine.gapQuestions() == [5, 6])
            for nonce in stage.machine.gapQuestions() { stage.machine.gapAnswer(nonce, nil, at: stage.now) }
            stage.drive()
            #expect(Set(stage.nonces) == [7], "not before its time")
            stage.now += 60
            stage.poll(head: 103)
            #expect(stage.nonces.contains(5) && stage.nonces.contains(6))
            #expect(stage.last(5)?.unsigned.recipient == Stage.key.address && stage.last(5)?.unsigned.value == 0)
            stage.poll(count: 8, head: 104)
            for nonce in UInt64(5)...7 { stage.receive(stage.last(nonce), block: 104, gasUsed: 21_000) }
            stage.poll()
            #expect(stage.outcomes.contains("a succeeded") && stage.machine.attempts.isEmpty && stage.alarms.isEmpty)
        },
        MachineCase("an administrator fills a gap at once", guards: "a minute of waiting that nobody wants") { stage in
            stage.poll(count: 6)
            stage.submit("a")
            #expect(stage.machine.fill().isEmpty, "there is none")
            stage.poll(count: 5, head: 101)
            stage.poll(head: 102)
            stage.machine.gapAnswer(5, nil, at: stage.now)
            #expect(stage.machine.fill() == [5])
            stage.drive()
            #expect(stage.last(5)?.unsigned.gasLimit == 21_000)
        },
        MachineCase("a gap that closes by itself", guards: "what was to fill it waiting for ever") { stage in
            stage.poll(count: 6)
            stage.submit("a")
            stage.poll(count: 5, head: 101)
            stage.poll(head: 102)
            stage.machine.gapAnswer(5, nil, at: stage.now)
            stage.signingFails = true
            _ = stage.machine.fill()
            stage.drive()
            #expect(stage.machine.queue.count == 1)
            stage.signingFails = false
            stage.poll(count: 6, head: 103)
            #expect(stage.machine.queue.isEmpty && stage.nonces.allSatisfy { $0 == 6 })
        },
        MachineCase(
            "the chain lost a block with a final transaction of ours", guards: "bytes on the disk that are never sent"
        ) { stage in
            stage.poll()
            stage.submit("a")
            let attempt = stage.machine.attempts[0], pending = stage.machine.sending.values.first
            stage.poll(count: 6, head: 101)
            stage.receive(stage.last(5), block: 101)
            stage.poll(count: 5, head: 100)
            #expect(stage.machine.gapQuestions().isEmpty, "a node that is behind has not lost anything")
            stage.poll(count: 5, head: 101)
            stage.poll(count: 5, head: 102)
            #expect(stage.alarms == [.nonceGap] && stage.machine.gapQuestions() == [5])
            if let pending { stage.machine.gapAnswer(5, (pending, attempt), at: stage.now) }
            stage.drive()
            #expect(stage.sent.count == 2 && stage.sent[0].hash == stage.sent[1].hash)
            #expect(stage.changes.contains(.reopened(intent: 1, nonce: 5)))
            #expect(stage.machine.takeReopened() == ["a"] && stage.machine.takeReopened().isEmpty)
            let spent = stage.machine.spending
            stage.poll(count: 6, head: 103)
            stage.receive(stage.last(5), block: 103)
            stage.poll()
            #expect(stage.alarms.isEmpty && stage.machine.attempts.isEmpty)
            #expect(stage.machine.spending == spent, "it is paid once")
        },
        MachineCase("in doubt, and acknowledged", guards: "an intent that waits for a nonce for ever") { stage in
            stage.poll()
            stage.submit("a")
            stage.poll(count: 8)
            stage.machine.found(5, nil, downTo: 100, at: stage.now)
            stage.drive()
            #expect(stage.alarms == [.nonceInDoubt] && stage.nonces == [5])
            stage.machine.acknowledge()
            stage.drive()
            #expect(stage.nonces == [5, 8] && stage.alarms.isEmpty)
        },
        MachineCase("the first look is no jump", guards: "an alarm on every new installation") { stage in
            stage.poll(count: 500)
            stage.submit("claim", of: "claim")
            #expect(stage.nonces == [500] && stage.alarms.isEmpty)
        },
        MachineCase("the lowest nonce waits for long", guards: "a stuck queue that nobody hears of") { stage in
            stage.poll()
            stage.submit("a", "b")
            stage.now += 301
            stage.poll()
            #expect(stage.alarms.contains(.stuck))
            stage.poll(count: 7)
            stage.receive(stage.last(5))
            stage.receive(stage.last(6))
            stage.poll()
            #expect(stage.alarms.isEmpty)
        },
    ]

    // MARK: holding back

    static let holding: [MachineCase] = [
        MachineCase("a class's cap for the day", guards: "claims that spend the account", { $0.inFlightLimit = 64 }) {
            stage in
            stage.poll()
            // 10^18 wei a day at 3 gwei: 333,333,333 gas.
            for number in 0..<14 { stage.submit("claim \(number)", of: "claim", gas: 30_000_000) }
            #expect(stage.sent.count == 11 && stage.alarms == [.spendCap])
            stage.submit("status", gas: 30_000_000)
            #expect(stage.sent.count == 12)
            for nonce in UInt64(5)..<17 {
                stage.poll(count: nonce + 1)
                stage.receive(stage.last(nonce), gasUsed: 29_000_000)
            }
            stage.pass(86_400)
            #expect(stage.sent.contains { $0.unsigned.nonce == 19 }, "the next day")
        },
        MachineCase("claims leave the balance to what is in flight", guards: "a claim that takes a status's gas money")
        { stage in
            stage.view.balance = 3 * gwei * 120_000
            stage.poll()
            stage.submit("a", "b")
            stage.submit("claim", of: "claim")
            #expect(stage.nonces == [5, 6] && stage.alarms == [.insufficientFunds])
        },
        MachineCase("a signer that is away", guards: "a hole where a nonce was given and not used") { stage in
            stage.poll()
            stage.signingFails = true
            stage.submit("a", "b")
            #expect(stage.alarms == [.signer] && stage.sent.isEmpty)
            stage.signingFails = false
            stage.pass(1)
            #expect(stage.nonces == [5, 6] && stage.alarms.isEmpty)
        },
        MachineCase("a pause of the agent is no reason to pay more", guards: "every transaction replaced at each start")
        { stage in
            stage.poll()
            stage.submit("a")
            var again = Stage()
            again.machine.attempts = stage.machine.attempts.map { attempt in
                var restored = attempt
                for index in restored.versions.indices {
                    restored.versions[index].madeAt = stage.now + 10_000
                    restored.versions[index].sentAt = nil
                }
                return restored
            }
            again.machine.sending = stage.machine.sending
            again.machine.nonceFloor = 5
            again.now = stage.now + 10_000
            again.poll()
            #expect(again.sent.map(\.hash) == stage.sent.map(\.hash), "what is open goes out first, as it was")
        },
    ]

    @Test("the chain's file is a new one: what it does not know of is not somebody else's")
    func forgivesNew() {
        var stage = Stage()
        stage.machine.forgive()
        stage.drive()
        stage.poll(count: 9)
        #expect(stage.machine.nextNonce == 9 && stage.alarms.isEmpty)
        #expect(stage.changes.contains(.forgiven(nil)) && stage.changes.contains(.forgiven(9)))
    }

    @Test("an old copy of the chain's file: nonces used since are this agent's; what waited in it is decided again")
    func forgivesOld() {
        var stage = Stage()
        stage.poll()
        stage.submit("sent")
        stage.submit("waits", gas: nil, call: "unknown")
        // Three more were sent since the copy was made, and the first in other bytes.
        stage.machine.forgive()
        stage.drive()
        #expect(stage.outcomes == ["waits cancelled"])
        stage.poll(count: 9)
        #expect(stage.machine.nextNonce == 9 && stage.machine.takeCountSearch(at: stage.now) == nil)
        stage.machine.found(5, NonceOccupant(hash: Stage.hash(1), block: 100), downTo: 100, at: stage.now)
        stage.drive()
        #expect(stage.outcomes == ["waits cancelled", "sent cancelled"])
        #expect(stage.alarms.isEmpty && stage.machine.foreign.isEmpty)
        // What somebody else uses from then on is.
        stage.submit("next")
        #expect(stage.last(9) != nil)
        stage.poll(count: 10)
        stage.machine.found(9, NonceOccupant(hash: Stage.hash(2), block: 100), downTo: 100, at: stage.now)
        stage.drive()
        #expect(stage.machine.foreign == [9] && stage.alarms == [.foreignNonce])
    }
}
