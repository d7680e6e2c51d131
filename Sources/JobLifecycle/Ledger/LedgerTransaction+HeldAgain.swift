// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import GRDB

/// A release, or the end of a job that had not begun, that a killed slurmctld has lost.
extension LedgerTransaction {
    /// A job that slurmctld, asked since it was released, has held and without the mark of that: the order's last step is
    /// taken once more, which ends one that was to be cancelled. An administrator's hold stays, also of a job whose comment took no
    /// mark.
    mutating func noteHeldAgain(_ seen: JobObservation) throws {
        guard seen.source == .controller, seen.isHeld, !seen.isHeldByAdministrator,
            !OrderTag.saysReleased(seen.details.adminComment),
            let order = try order(taggedIn: seen.details.adminComment), order.orderPhase == .released,
            order.number == seen.orderNumber, !(try staysHeld(order.id))
        else { return }
        try database.cachedStatement(
            sql: """
                UPDATE jobs SET order_phase = 'submitted', tries = 0, next_at = 0,
                    last_error = 'slurmctld lost that the job was released',
                    withdrawn = coalesce(withdrawn, (SELECT argument FROM commands c
                        WHERE c.job = jobs.id AND c.kind = 'cancel' AND c.state <> 'impossible'))
                WHERE id = ? AND released_at < ?
                """
        ).execute(arguments: [order.id, seen.time])
        changedOrders = true
    }

    /// Its gateway wants it held, so nobody has released it.
    private func staysHeld(_ ledgerJob: Int64) throws -> Bool {
        let statement = try database.cachedStatement(sql: "SELECT request FROM jobs WHERE id = ?")
        guard let request = try Data.fetchOne(statement, arguments: [ledgerJob]) else { return false }
        return (try? JobSpec(stored: Array(request)))?.options.staysHeld == true
    }

    /// An order's job that had ended before it began, as was told, and that slurmctld, asked later, has again: it is ended once
    /// more, as nobody waits for it.
    mutating func noteEndLost(_ known: RunRow, _ seen: JobObservation) throws {
        guard seen.source == .controller, !seen.tellsEnd, !seen.state.isCompleting, known.record.phase == .ended,
            !known.record.toldRunning, seen.time > known.record.asOf
        else { return }
        let job = try job(known.job)
        guard job.isFinal, job.orderPhase == .released, job.number == seen.orderNumber else { return }
        try database.cachedStatement(
            sql: """
                UPDATE jobs SET order_phase = 'submitted', tries = 0, next_at = 0,
                    withdrawn = coalesce(withdrawn, 'slurmctld lost its end, which has been told')
                WHERE id = ?
                """
        ).execute(arguments: [job.id])
        changedOrders = true
    }
}
