// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import GRDB

/// A release, the end of a job that had not begun, or a command, that a killed slurmctld has lost.
extension LedgerTransaction {
    /// A job that slurmctld, asked since it was released, has held and without the mark of that: the order's last step is
    /// taken once more. An administrator's hold stays, also of a job whose comment took no mark.
    mutating func noteHeldAgain(_ seen: JobObservation) throws {
        guard seen.source == .controller, seen.isHeld, !seen.isHeldByAdministrator,
            !OrderTag.saysReleased(seen.details.adminComment),
            let order = try order(taggedIn: seen.details.adminComment), order.orderPhase == .released,
            order.number == seen.orderNumber, !(try staysHeld(order.id))
        else { return }
        try database.cachedStatement(
            sql: """
                UPDATE jobs SET order_phase = 'submitted', tries = 0, next_at = 0,
                    last_error = 'slurmctld lost that the job was released'
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

    /// Commands that slurmctld said it had carried out, and of which it, asked later, shows nothing: they are open again. A
    /// release that somebody else's hold came after bears its mark. Of a time limit the first look counts: later another one
    /// may have been set by hand.
    mutating func noteCommandsLost(_ known: RunRow, _ seen: JobObservation) throws {
        guard seen.source == .controller, !seen.tellsEnd, !seen.state.isCompleting else { return }
        let isHeldAgain =
            seen.isHeld && !seen.isHeldByAdministrator && !OrderTag.saysReleased(seen.details.adminComment)
        let limit = seen.details.timeLimit
        let statement = try database.cachedStatement(
            sql: """
                UPDATE commands SET state = 'open', tries = 0, next_at = 0, error = 'slurmctld lost that it was done'
                WHERE job = ?1 AND state = 'done' AND asked_at < ?2 AND (kind = 'cancel' OR kind = 'release' AND ?3
                        OR kind = 'time-limit' AND ?4 AND argument <> ?5 AND asked_at > ?6)
                    AND EXISTS (SELECT 1 FROM jobs WHERE id = ?1 AND number = ?7 AND final = 0)
                """)
        try statement.execute(arguments: [
            known.job, seen.time, isHeldAgain, limit == known.record.details.timeLimit, limit.map(String.init) ?? "",
            known.record.asOf, seen.orderNumber,
        ])
        if database.changesCount > 0 { changedCommands.insert(known.job) }
    }
}
