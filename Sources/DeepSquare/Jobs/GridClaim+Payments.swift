// SPDX-License-Identifier: GPL-3.0-or-later

internal import BigInt
internal import Ethereum

/// What a claim earned. Nothing is decided by it.
///
/// The receipt of our own report of the end tells what was paid. An end that somebody else brought, or we ourselves before our
/// state was lost, is known by its event: its receipt is asked for once the claim is closed.
extension GridClaim {
    /// nil while it may still be paid, and when it is not known.
    var earned: BigUInt? {
        guard let payments, isClosed || !payments.isEmpty else { return nil }
        if payments.isEmpty, chain.isOurs, chain.status.isCold, !knowsAllPayments { return nil }
        return payments.reduce(0) { $0 + $1.credits }
    }

    private var knowsAllPayments: Bool {
        if let hasReadPayments { return hasReadPayments }
        // From before it was kept.
        return endedBy == nil && final?.kind == .end && final?.state == .done && final?.status == chain.status
    }

    /// The transaction whose receipt is to be asked for.
    var unreadEnd: Hash32? {
        isClosed && chain.isOurs && chain.status.isCold && hasReadPayments != true && payments?.isEmpty == true
            ? endedBy : nil
    }

    /// The receipt of the end that is not one of our reports, or of which we have forgotten that it is.
    ///
    /// One that ended several jobs says not whose each payment is: then it stays unknown.
    mutating func settle(by receipt: TransactionReceipt, provider: Address, contracts: GridContracts, now: Int64) {
        guard receipt.transaction == unreadEnd else { return }
        guard receipt.succeeded, GridPayment.jobsEnded(in: receipt, contracts) == [job] else {
            endedBy = nil
            return
        }
        hasReadPayments = true
        take(GridPayment.all(in: receipt, of: self, to: provider, contracts: contracts, now: now), now: now)
    }

    /// The event of its last status came after it was closed on the contract's word.
    /// - Returns: whether it is about this claim, and news.
    mutating func take(lateEnd status: ChainJobStatus, at place: Place, transaction: Hash32) -> Bool {
        guard isClosed, place > self.place, chain.isOurs, chain.status == status, endedBy == nil,
            hasReadPayments != true, payments?.isEmpty == true
        else { return false }
        endedBy = transaction
        return true
    }
}
