// SPDX-License-Identifier: GPL-3.0-or-later

internal import BigInt
internal import Ethereum

/// Credits that the contract moved to this provider when one of its jobs ended.
///
/// It is read from the receipt of the end: no other transaction pays a provider (contract facts, sections 7 and 8). Receipts
/// are told once they are final. A transaction that a reorganisation mines again keeps its hash,
/// and its transfers their order, so a payment that is told twice is the same one.
struct GridPayment: Sendable, Hashable, Codable {
    var transaction: Hash32
    /// Which of the transaction's transfers of credits to us.
    var place: Int
    var block: UInt64
    /// When we learned of it, Unix seconds; the block's time is among the claim's `times`.
    var learnedAt: Int64
    /// Wei of credits, decimal.
    var wei: String

    var credits: BigUInt { BigUInt(wei) ?? 0 }

    /// What a receipt says that was paid for a claim. Also a payment of nothing is one: the contract found nothing to bill.
    static func all(
        in receipt: TransactionReceipt, of claim: GridClaim, to provider: Address, contracts: GridContracts, now: Int64
    ) -> [GridPayment] {
        let logs = receipt.logs.sorted { $0.index < $1.index }
        var amounts: [BigUInt] = []
        for log in logs where log.address == contracts.credit {
            guard let transfer = try? ContractABI.transfer.decode(topics: log.topics, data: log.data),
                transfer[1].address == provider, let amount = transfer[2].uint
            else { continue }
            amounts.append(amount)
        }
        if claim.customer == provider {
            // The customer's change comes to us too, after the pay; of a job that never ran it comes alone.
            amounts = hasEndedRunning(claim.job, logs, contracts) ? Array(amounts.prefix(1)) : []
        }
        return amounts.enumerated().map { place, amount in
            GridPayment(
                transaction: receipt.transaction, place: place, block: receipt.block.number, learnedAt: now,
                wei: "\(amount)")
        }
    }

    /// The jobs that a transaction brought to their last status.
    static func jobsEnded(in receipt: TransactionReceipt, _ contracts: GridContracts) -> Set<Hash32> {
        Set(
            receipt.logs.compactMap {
                guard case .transition(let job, _, let status) = try? GridEvent.read($0, of: contracts), status.isCold
                else { return nil }
                return job
            })
    }

    private static func hasEndedRunning(_ job: Hash32, _ logs: [ChainLog], _ contracts: GridContracts) -> Bool {
        logs.contains {
            guard case .transition(job, .running, _) = try? GridEvent.read($0, of: contracts) else { return false }
            return true
        }
    }
}
