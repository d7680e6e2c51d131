// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import FoundationEssentials
internal import Logging

/// What was paid, and when.
extension DeepSquareGateway {
    /// What a report's receipt says that was paid for it.
    func pay(in receipt: TransactionReceipt, of report: GridClaim.Report, _ key: Key) -> [GridPayment] {
        guard report.kind == .end, let claim = claims[key] else { return [] }
        let payments = GridPayment.all(in: receipt, of: claim, to: address, contracts: contracts, now: seconds)
        tell(payments, key)
        return payments
    }

    private func tell(_ payments: [GridPayment], _ key: Key) {
        for payment in payments {
            logger.info(
                "paid",
                metadata: ids(
                    key,
                    [
                        "credits": "\(Wei.text(payment.credits))", "transaction": "\(payment.transaction)",
                    ]))
        }
    }

    /// The contract's word of an end came before its event, and the claim is closed.
    func takeLateEnd(
        of job: Hash32, _ status: ChainJobStatus, at place: GridClaim.Place, transaction: Hash32
    ) async throws(GridError) {
        guard var claim = try await store.claims(ofJob: job).last,
            claim.take(lateEnd: status, at: place, transaction: transaction)
        else { return }
        claim.revision += 1
        try await store.save([claim], isNews: false)
    }

    // MARK: by day

    /// What was paid on each of the last days, today among them; the newest first. Days without a payment are left out.
    ///
    /// Answered from memory while nothing has been paid: cheap enough to be asked every second. At most 90 of them.
    public func earnings(days: Int) async throws(GridError) -> [GridEarnings] {
        let today = seconds / GridEarnings.secondsOfDay
        let question = Earned.Question(days: days, today: today, payments: paymentsSoFar)
        if let earned, earned.question == question { return earned.answer }
        let since = (today - Int64(min(max(1, days), 90) - 1)) * GridEarnings.secondsOfDay
        let answer = GridEarnings.byDay(try await store.payments(since: since))
        earned = Earned(question: question, answer: answer)
        return answer
    }

    /// The last answer; another one when the day is over, or something was paid.
    struct Earned: Sendable {
        struct Question: Sendable, Hashable {
            var days: Int
            var today: Int64
            var payments: UInt64
        }

        var question: Question
        var answer: [GridEarnings]
    }

    // MARK: times

    /// Asks for times of blocks, for people and for the days of the earnings, and for what ends paid that no report of ours
    /// brought: only of claims that are over, so that nothing waits for it.
    func learnTimes() async {
        // A start after a long rest may find many; what is left then comes a minute later.
        for _ in 0..<20 where !Task.isCancelled {
            guard await learnSomeTimes() else { return }
        }
    }

    /// Claims that are asked about in one request.
    private static let timesPage = 50
    /// Seconds for which they are asked about.
    private static let timesPatience = 86_400.0

    /// - Returns: whether there may be more at once.
    private func learnSomeTimes() async -> Bool {
        let since = today - Self.timesPatience
        guard let waiting = try? await store.claimsWithoutTimes(since: since, limit: Self.timesPage), !waiting.isEmpty,
            let (words, _) = try? await reader.jobs(waiting.map(\.job), of: contracts),
            let blocks = try? await StartBlock.times(of: Set(waiting.map(\.place.block)), reader.client),
            let receipts = try? await reader.receipts(of: Set(waiting.compactMap(\.unreadEnd)))
        else { return false }
        var heard: [GridClaim] = []
        for (var claim, word) in zip(waiting, words) {
            if case .failure(let error) = word, error.code == .unavailable { continue }
            claim.close(with: try? word.get(), provider: address, claimed: blocks[claim.place.block])
            let paidBefore = claim.payments?.count ?? 0
            if let receipt = claim.unreadEnd.flatMap({ receipts[$0] }) {
                claim.settle(by: receipt, provider: address, contracts: contracts, now: seconds)
            }
            tell(Array((claim.payments ?? []).dropFirst(paidBefore)), Key(claim))
            claim.revision += 1
            heard.append(claim)
        }
        do throws(GridError) {
            try await store.save(heard, isNews: false)
        } catch {
            note(error)
            return false
        }
        paymentsSoFar += 1
        return heard.count == Self.timesPage && !heard.contains(where: \.lacksTimes)
    }
}
