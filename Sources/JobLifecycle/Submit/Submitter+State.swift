// SPDX-License-Identifier: GPL-3.0-or-later

internal import Logging

/// Orders of a ledger that may be an old copy, or have lost its end: what it does not know of may have been done.
extension Submitter {
    /// - Returns: whether a job of this order, which was never asked for as far as the ledger knows, is there all the same.
    func wasAskedForBefore(_ order: OrderRecord) async throws -> Bool {
        guard ledger.isFromBefore(order.ledgerJob) else { return false }
        let found = try await scheduler.jobs(of: order.order.request, tag: order.tag)
        if let kept = SubmissionChoice.keep(found) {
            warn(order, kept.orderNumber)
            try await keep(kept, of: found, order)
            return true
        }
        // slurmctld has forgotten what ended long ago.
        let accepted = try await ledger.acceptedAt(order.ledgerJob)
        let timing = try await scheduler.timing()
        if timing.minimumJobAge > 0, ledger.microseconds - accepted >= timing.minimumJobAge * 1_000_000 {
            let runs = try await accounted(order, since: accepted / 1_000_000 - LedgerTransaction.clockTolerance)
            if let id = SubmissionChoice.keep(runs)?.orderNumber {
                warn(order, id)
                try await take(runs, id, order)
                return true
            }
        }
        ledger.isSettled(order.ledgerJob)
        return false
    }

    /// slurmdbd's runs of an order's job; none where there is no slurmdbd.
    func accounted(_ order: OrderRecord, since time: Int64) async throws -> [JobObservation] {
        do throws(SchedulerError) {
            return try await scheduler.accounting(tagged: order.tag, since: time)
        } catch {
            guard error.code == .noAccounting else { throw error }
            return []
        }
    }

    func take(_ runs: [JobObservation], _ id: UInt32, _ order: OrderRecord) async throws {
        try await ledger.noteSurplus(runs.filter { $0.orderNumber != id }, of: order.ledgerJob)
        let own = runs.filter { $0.orderNumber == id }
        try await ledger.noteSubmitted(order.ledgerJob, jobID: id, seen: own)
    }

    private func warn(_ order: OrderRecord, _ id: UInt32) {
        logger.warning(
            "the ledger did not know of a job that it had asked for: an old copy, or it lost its end",
            metadata: order.logIDs(slurm: id))
    }
}
