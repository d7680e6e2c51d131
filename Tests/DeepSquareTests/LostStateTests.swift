// SPDX-License-Identifier: GPL-3.0-or-later

import BigInt
import Ethereum
import Foundation
import NIOConcurrencyHelpers
import Testing

@testable import DeepSquare

/// What is told of jobs whose end the agent did not report, or does not remember: what the chain says of them.
@Suite("After lost state")
struct LostStateTests {
    typealias Act = ClaimStage.Act

    /// Read from the chain's log, as after the loss of all files.
    private static func found(_ status: ChainJobStatus) -> ClaimStage {
        ClaimStage([.unexamined, .chain(.running), .chain(status), .word(status, start: 5), .closed])
    }

    static let endings: [(name: String, acts: [Act], words: String)] = [
        ("paid", [.unexamined, .chain(.running), .chain(.finished), .closed], "Finished on the chain"),
        ("out of credits", [.unexamined, .chain(.outOfCredits), .closed], "OutOfCredits on the chain"),
        ("cancelled by the customer", [.unexamined, .chain(.cancelled), .closed], "Cancelled on the chain"),
        ("only the contract's record tells", [.unexamined, .word(.failed, start: 5), .closed], "Failed on the chain"),
        ("taken back", [.chain(.pending), .closed], "taken back by the chain"),
        ("given to another provider", [.foreignWord, .closed], "taken back by the chain"),
        (
            "our own end", GridClaimTests.onChain + [GridClaimTests.fiveMinutes, .sent, .succeeded(.end), .closed],
            "done"
        ),
        (
            "panicked while our end was on its way",
            GridClaimTests.onChain + [
                GridClaimTests.fiveMinutes, .sent, .chain(.panicked), .reverted(.end), .closed,
            ], "Panicked on the chain"
        ),
        ("accepted, and taken back", [.accepted, .chain(.pending), .closed], "taken back by the chain"),
    ]

    @Test("the state in words", arguments: endings.indices)
    func words(_ index: Int) {
        let row = Self.endings[index]
        #expect(ClaimStage(row.acts).claim.words == row.words, "\(row.name)")
    }

    @Test("what was paid is unknown, not nothing, until the receipt of the end is read")
    func unknown() {
        let claim = Self.found(.finished).claim
        #expect(claim.earned == nil)
        #expect(claim.unreadEnd == ClaimStage.transaction(102))
        #expect(claim.lacksTimes)
        // While it is open nobody asks.
        #expect(ClaimStage([.unexamined, .chain(.running), .chain(.finished)]).claim.unreadEnd == nil)
    }

    @Test("who gave the job back, or refused it, earned nothing")
    func nothing() {
        #expect(ClaimStage([.refused("no"), .sent, .succeeded(.refuse), .closed]).claim.earned == 0)
        #expect(ClaimStage([.chain(.pending), .closed]).claim.earned == 0)
        let own = ClaimStage([.failed("no script"), .sent, .succeeded(.end), .closed]).claim
        #expect(own.earned == 0 && own.unreadEnd == nil)
    }

    /// Job 1 of the recorded grid, as its log tells of it.
    private static func recorded(endedBy transaction: Hash32?) -> GridClaim {
        var claim = GridClaim(
            job: hash(1), number: 1, customer: RecordedGrid.customer, definition: definition, minutes: 60,
            place: GridClaim.Place(block: 20, index: 1), claimedAt: ClaimStage.epoch, needsExamination: true)
        if let transaction {
            _ = claim.take(
                transitionTo: .finished, at: .init(block: 26, index: 2), transaction: transaction,
                now: ClaimStage.epoch)
        } else {
            claim.chain.status = .finished
        }
        claim.closedAt = ClaimStage.epoch
        return claim
    }

    @Test("the receipt of the end tells what was paid: once, in the timeline, on its block's day")
    func settled() throws {
        let receipt = try #require(try RecordedGrid.receipt(RecordedGrid.finished))
        var claim = Self.recorded(endedBy: receipt.transaction)
        for _ in 0..<2 {
            claim.settle(
                by: receipt, provider: RecordedGrid.provider, contracts: RecordedGrid.contracts, now: ClaimStage.epoch)
        }
        #expect(claim.earned == BigUInt("133920000000000000000"))
        #expect(claim.payments?.count == 1)
        #expect(claim.unreadEnd == nil)
        #expect(
            claim.timeline.map(\.what) == [
                "claimed", "Finished on the chain, reported with this provider's key", "paid 133.92 credits",
            ])
        claim.times = GridClaim.Times(end: ClaimStage.epoch - 90_000, isFinal: true)
        #expect(claim.timeline.last?.at == ClaimStage.epoch - 90_000)
        #expect(!claim.lacksTimes)
        #expect(try JSONDecoder().decode(GridClaim.self, from: JSONEncoder().encode(claim)) == claim)
    }

    @Test("an end from before the agent ran that paid nothing is nothing")
    func settledWithoutPay() throws {
        let receipt = try #require(try RecordedGrid.receipt(RecordedGrid.finished))
        var claim = Self.recorded(endedBy: receipt.transaction)
        claim.settle(by: receipt, provider: address(0x33), contracts: RecordedGrid.contracts, now: 0)
        #expect(claim.earned == 0)
    }

    @Test("a receipt of another transaction, of another job's end, or without effect, says nothing of it")
    func others() throws {
        let receipt = try #require(try RecordedGrid.receipt(RecordedGrid.finished))
        let other = try #require(try RecordedGrid.receipt(RecordedGrid.neverRan))
        func settled(_ receipt: TransactionReceipt, _ claim: GridClaim) -> GridClaim {
            var claim = claim
            claim.settle(by: receipt, provider: RecordedGrid.provider, contracts: RecordedGrid.contracts, now: 0)
            return claim
        }
        let claim = Self.recorded(endedBy: receipt.transaction)
        #expect(settled(other, claim) == claim)
        var foreign = other
        foreign.transaction = receipt.transaction
        var failed = receipt
        failed.succeeded = false
        var both = receipt
        both.logs += other.logs
        for odd in [foreign, failed, both] {
            let found = settled(odd, claim)
            #expect(found.earned == nil && found.unreadEnd == nil && found.payments?.isEmpty == true)
        }
    }

    @Test("the event may come after the claim was closed on the contract's word")
    func lateEvent() throws {
        var claim = Self.recorded(endedBy: nil)
        let place = GridClaim.Place(block: 26, index: 2)
        #expect(claim.earned == nil && claim.unreadEnd == nil)
        let early = claim.take(lateEnd: .finished, at: .init(block: 19, index: 0), transaction: hash(7))
        let other = claim.take(lateEnd: .failed, at: place, transaction: hash(7))
        #expect(!early && !other)
        let taken = claim.take(lateEnd: .finished, at: place, transaction: hash(7))
        #expect(taken && claim.unreadEnd == hash(7))
        let again = claim.take(lateEnd: .finished, at: place, transaction: hash(8))
        #expect(!again && claim.unreadEnd == hash(7))
        var own = ClaimStage(
            GridClaimTests.onChain + [GridClaimTests.fiveMinutes, .sent, .paid("12"), .closed]
        ).claim
        let known = own.take(lateEnd: .finished, at: .init(block: 200, index: 0), transaction: hash(7))
        #expect(!known && own.earned == 12)
    }

    @Test("the gateway asks a node for the receipt of a closed claim, and counts it among the earnings")
    func asks() async throws {
        let stage = try await GatewayStage()
        let receipt = try #require(try RecordedGrid.receipt(RecordedGrid.finished))
        stage.chain.state.withLockedValue {
            $0.status = .finished
            $0.receipt = Self.receipt(of: receipt.transaction)
        }
        var claim = ClaimStage([.unexamined]).claim
        _ = claim.take(
            transitionTo: .finished, at: .init(block: 126, index: 2), transaction: receipt.transaction, now: 0)
        claim.closedAt = ClaimStage.epoch
        claim.revision += 1
        try await stage.store.save([claim])
        await stage.gateway.learnTimes()
        let known = try #require(try await stage.store.claims(ofJob: hash(1)).last)
        #expect(known.earned == BigUInt(7))
        let statement = try await stage.gateway.statement(by: .customer, since: 0)
        #expect(statement.rows == [.init(name: customer.hex, jobs: 1, credits: "7")])
    }

    /// Job 1 Finished, 7 wei for the provider.
    private static func receipt(of transaction: Hash32) -> JSONValue {
        func log(_ contract: Address, _ topics: [String], _ data: String, _ index: Int) -> String {
            """
            {"address":"\(contract.hex)","topics":[\(topics.map { "\"\($0)\"" }.joined(separator: ","))],\
            "data":"\(data)","blockNumber":"0x7e","blockHash":"\(hash(126))","transactionHash":"\(transaction)",\
            "logIndex":"0x\(index)","removed":false}
            """
        }
        func word(_ address: Address) -> String { "0x" + String(repeating: "0", count: 24) + address.hex.dropFirst(2) }
        let moved = "0x" + ["\(hash(1))", "\(hash(3))", "\(hash(5))"].map { $0.dropFirst(2) }.joined()
        let text = """
            {"transactionHash":"\(transaction)","blockHash":"\(hash(126))","blockNumber":"0x7e","status":"0x1",\
            "gasUsed":"0x1","effectiveGasPrice":"0x1","contractAddress":null,"logs":[\
            \(log(contracts.credit, ["\(ContractABI.transfer.topic)", word(contracts.metaScheduler), word(provider)], "\(hash(7))", 0)),\
            \(log(contracts.jobs, ["\(ContractABI.jobTransitionEvent.topic)"], moved, 1))]}
            """
        return (try? JSONValue(parsing: text.utf8)) ?? .null
    }
}
