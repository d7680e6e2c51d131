// SPDX-License-Identifier: GPL-3.0-or-later

internal import Support

/// How many minutes an end reports, and when.
///
/// The contract pays what is reported as long as that is at most its own wall time (from the Running transaction's block to
/// the end's) plus `billDurationDeltaMinute`; of a report beyond that it pays the wall time only (contract facts, section 8).
/// So the report stays below that line; where that would lose minutes the end waits until the wall time has caught up.
struct Billing: Sendable, Hashable {
    var rounding: GridSettings.Rounding
    /// `billDurationDeltaMinute`.
    var delta: UInt64
    /// Seconds that an end waits at most.
    var longestHold: Int64

    enum Plan: Sendable, Hashable {
        case report(minutes: UInt64)
        /// Not before this time (Unix seconds), for the sake of so many minutes.
        case hold(until: Int64, losing: UInt64)
    }

    func minutes(of seconds: Int64) -> UInt64 {
        let seconds = UInt64(max(0, seconds))
        return rounding == .down ? seconds / 60 : (seconds + 59) / 60
    }

    /// - Parameters:
    ///   - used: seconds that the job ran.
    ///   - start: block time of the Running transaction, nil while that is not mined: then the wall time is taken as 0.
    ///   - ended: when the end became known, Unix seconds.
    func plan(used: Int64, start: Int64?, ended: Int64, now: Int64) -> Plan {
        let wanted = minutes(of: used)
        let wall = start.map { UInt64(max(0, now.saturatingSubtract($0))) / 60 } ?? 0
        // One less than the contract allows: its clock is not ours.
        let allowed = wall + delta > 0 ? wall + delta - 1 : 0
        if wanted <= allowed { return .report(minutes: wanted) }
        // Until Running is mined there is nothing to count from.
        guard let start else { return .hold(until: .max, losing: wanted - allowed) }
        let deadline = max(ended, start).saturatingAdd(longestHold)
        if now >= deadline { return .report(minutes: allowed) }
        // Both may be any number: what a node says of a block, and what a frame says of a run.
        let (more, isEver) = Int64(wanted + 1 - min(delta, wanted + 1)).multipliedReportingOverflow(by: 60)
        let caughtUp = isEver ? .max : start.saturatingAdd(more)
        return .hold(until: min(caughtUp, deadline), losing: wanted - allowed)
    }
}
