// SPDX-License-Identifier: GPL-3.0-or-later

internal import Logging

/// Slurm jobs that are one too many.
extension Submitter {
    /// One that runs is looked at so often.
    private static let interval: Int64 = 60_000_000

    /// Leaves one job of an order.
    /// - Throws: while one that does not run is still there.
    func endOthers(than id: UInt32, _ order: OrderRecord) async throws {
        let others = try await scheduler.jobs(of: order.order.request, tag: order.tag).filter { $0.orderNumber != id }
        try await ledger.noteSurplus(others, of: order.ledgerJob)
        for other in others where !other.state.base.isEnd {
            try await end(
                SurplusJob(
                    jobID: other.orderNumber, submitTime: other.submitTime, ledgerJob: order.ledgerJob, phase: .found,
                    hasStarted: other.hasStarted, tries: 0))
        }
    }

    /// The tag is the agent's own word; a session number anybody may have given.
    private func isOf(_ order: OrderRecord, _ jobID: UInt32, _ seen: [JobObservation]) async throws -> Bool {
        if seen.contains(where: { OrderTag.all(in: $0.details.adminComment).contains(order.tag) }) { return true }
        return try await scheduler.jobs(of: order.order.request, tag: order.tag).contains { $0.orderNumber == jobID }
    }

    /// Ends a surplus job that has not begun; tells of one that has.
    func end(_ job: SurplusJob) async throws {
        var job = job
        let order = try await ledger.order(ledgerJob: job.ledgerJob)
        // It is the order's own after all: chosen since.
        if let order, order.jobID == job.jobID { return try await ledger.note(job, is: .over) }
        let seen = try await scheduler.look(at: job.jobID).filter {
            $0.orderNumber == job.jobID && $0.submitTime >= job.submitTime
        }
        if let order, job.phase == .found, !seen.isEmpty, !(try await isOf(order, job.jobID, seen)) {
            return try await ledger.forget(job)
        }
        job.hasStarted = job.hasStarted || seen.contains(where: \.hasStarted)
        let both: Logger.Metadata = [
            "slurm": "\(job.jobID)", "own": "\(order?.jobID.map(String.init) ?? "-")",
        ]
        let ids = (order?.logIDs() ?? [:]).merging(both) { $1 }
        if job.hasStarted, job.phase == .found {
            logger.error("a job runs a second time in Slurm: look at it, and end it if it must not run", metadata: ids)
        }
        guard let live = seen.first(where: { !$0.state.base.isEnd }) else {
            return try await ledger.note(job, is: .over)
        }
        // Also one that was put back into the queue: it would run once more.
        guard live.state.base == .pending, !live.state.isCompleting else {
            return try await ledger.note(job, is: .running, lookAt: ledger.microseconds + Self.interval)
        }
        try await scheduler.cancel(job.jobID)
        try await ledger.note(job, is: .cancelled)
        logger.warning("ended a job that was one too many", metadata: ids)
    }
}
