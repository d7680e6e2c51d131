// SPDX-License-Identifier: GPL-3.0-or-later

import BigInt
import Ethereum
import Foundation
import Testing

@testable import DeepSquare

@Suite("What the contract paid")
struct GridPaymentTests {
    private static func claim(_ job: UInt64, of customer: Address = RecordedGrid.customer) -> GridClaim {
        GridClaim(
            job: hash(job), number: 1, customer: customer, definition: definition, minutes: 60,
            place: GridClaim.Place(block: 20, index: 1), claimedAt: ClaimStage.epoch, needsExamination: false)
    }

    private static func wei(
        _ receipt: TransactionReceipt, _ claim: GridClaim, to provider: Address = RecordedGrid.provider
    ) -> [String] {
        GridPayment.all(in: receipt, of: claim, to: provider, contracts: RecordedGrid.contracts, now: 5).map(\.wei)
    }

    @Test("a job that ran: the provider's share, not the customer's change")
    func paid() throws {
        let receipt = try #require(try RecordedGrid.receipt(RecordedGrid.finished))
        let found = GridPayment.all(
            in: receipt, of: Self.claim(1), to: RecordedGrid.provider, contracts: RecordedGrid.contracts, now: 5)
        #expect(
            found == [
                GridPayment(
                    transaction: receipt.transaction, place: 0, block: 26, learnedAt: 5, wei: "133920000000000000000")
            ])
        #expect(found.map { Wei.text($0.credits) } == ["133.92"])
        // 80 % of ten minutes.
        #expect(found.first?.credits == BigUInt(16_740_000_000_000_000_000) * 10 * 80 / 100)
    }

    @Test("a transaction that is mined again, at another place of another block, is the same payment")
    func minedAgain() throws {
        var receipt = try #require(try RecordedGrid.receipt(RecordedGrid.finished))
        let before = GridPayment.all(
            in: receipt, of: Self.claim(1), to: RecordedGrid.provider, contracts: RecordedGrid.contracts, now: 5)
        receipt.block = BlockReference(number: 30, hash: hash(30))
        for index in receipt.logs.indices {
            receipt.logs[index].index += 17
            receipt.logs[index].block = receipt.block
        }
        receipt.logs.reverse()
        let after = GridPayment.all(
            in: receipt, of: Self.claim(1), to: RecordedGrid.provider, contracts: RecordedGrid.contracts, now: 9)
        #expect(before.map(\.transaction) == after.map(\.transaction) && before.map(\.place) == after.map(\.place))
        #expect(before.map(\.wei) == after.map(\.wei))
    }

    @Test("a job that never ran pays nothing")
    func neverRan() throws {
        let receipt = try #require(try RecordedGrid.receipt(RecordedGrid.neverRan))
        #expect(Self.wei(receipt, Self.claim(2)).isEmpty)
    }

    @Test("a provider that is its own customer: its change is no earning")
    func ownJobs() throws {
        let ran = try #require(try RecordedGrid.receipt(RecordedGrid.ownJob))
        #expect(Self.wei(ran, Self.claim(3, of: RecordedGrid.provider)) == ["13392000000000000000"])
        let never = try #require(try RecordedGrid.receipt(RecordedGrid.ownJobNeverRan))
        #expect(Self.wei(never, Self.claim(4, of: RecordedGrid.provider)).isEmpty)
    }

    @Test("other tokens, other providers and logs that cannot be read are nothing")
    func others() throws {
        let receipt = try #require(try RecordedGrid.receipt(RecordedGrid.finished))
        #expect(Self.wei(receipt, Self.claim(1), to: address(0x33)).isEmpty)
        var token = receipt
        for index in token.logs.indices { token.logs[index].address = address(0x77) }
        #expect(Self.wei(token, Self.claim(1)).isEmpty)
        var broken = receipt
        broken.logs[0].data = []
        #expect(Self.wei(broken, Self.claim(1)).isEmpty)
        broken = receipt
        broken.logs[0].topics.removeLast()
        #expect(Self.wei(broken, Self.claim(1)).isEmpty)
        // Half a transfer does not hide the other one.
        broken = receipt
        broken.logs[1].data = [1]
        #expect(Self.wei(broken, Self.claim(1)) == ["133920000000000000000"])
    }

    @Test("Transfer by its topic")
    func topic() {
        let known = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
        #expect("\(ContractABI.transfer.topic)" == known)
    }

    // MARK: what a claim earned

    @Test("a claim's earnings: unknown while it may be paid, the sum when it was, nothing when it is over")
    func earned() {
        let ended = GridClaimTests.onChain + [GridClaimTests.fiveMinutes, .sent]
        #expect(ClaimStage(ended).claim.earned == nil)
        #expect(ClaimStage(ended + [.paid("12")]).claim.earned == 12)
        #expect(ClaimStage(ended + [.paid("0"), .closed]).claim.earned == 0)
        #expect(ClaimStage([.refused("no"), .sent, .succeeded(.refuse), .closed]).claim.earned == 0)
    }

    // MARK: by day

    private static func payment(_ at: Int64, _ job: String, _ wei: String, claim: Int64 = 1) -> GridEarnings.Payment {
        GridEarnings.Payment(at: at, job: job, claim: claim, wei: wei)
    }

    @Test("sums by UTC day, the newest first, beyond 64 and 128 bits")
    func byDay() {
        let midnight: Int64 = 20_778 * 86_400
        let largest = BigUInt(2).power(256) - 1
        let found = GridEarnings.byDay([
            Self.payment(midnight - 1, "a", "1"), Self.payment(midnight, "b", "18446744073709551615"),
            Self.payment(midnight + 86_399, "c", "1"), Self.payment(midnight, "b", "2", claim: 2),
            Self.payment(midnight + 5, "b", "3", claim: 2), Self.payment(midnight - 86_400 * 3, "d", "\(largest)"),
            Self.payment(midnight - 86_400 * 3, "e", "\(largest)"), Self.payment(midnight + 86_400, "f", "0"),
        ])
        #expect(
            found == [
                GridEarnings(day: "2026-11-22", jobs: 1, credits: "0"),
                GridEarnings(day: "2026-11-21", jobs: 3, credits: "18446744073709551621"),
                GridEarnings(day: "2026-11-20", jobs: 1, credits: "1"),
                GridEarnings(day: "2026-11-18", jobs: 2, credits: "\(largest * 2)"),
            ])
        #expect(GridEarnings.byDay([]).isEmpty)
    }

    @Test("a day's name", arguments: [(0, "1970-01-01"), (11_016, "2000-02-29"), (20_778, "2026-11-21")])
    func day(_ day: Int64, _ text: String) {
        #expect(GridEarnings.text(day) == text)
    }
}
