// SPDX-License-Identifier: GPL-3.0-or-later

/// How long to wait before the next try: doubled each time, up to a limit.
struct BackOff: Sendable {
    var first: Duration
    var limit: Duration

    static let hints = BackOff(first: .milliseconds(250), limit: .seconds(30))
    /// Of jobs that may have started, while slurmctld does not answer.
    static let starts = BackOff(first: .milliseconds(250), limit: .seconds(2))
    /// Of runs that slurmctld has forgotten and slurmdbd may still hear of.
    static let vanished = BackOff(first: .seconds(300), limit: .seconds(6 * 3600))
    static let orders = BackOff(first: .milliseconds(500), limit: .seconds(60))
    /// For a job whose submission has no answer: slurmctld remembers ended ones for some minutes only.
    static let looks = BackOff(first: .milliseconds(500), limit: .seconds(10))
    static let unavailable = BackOff(first: .milliseconds(500), limit: .seconds(30))
    static let deliveries = BackOff(first: .milliseconds(500), limit: .seconds(300))

    /// - Parameter attempt: how many have failed before this one.
    func delay(attempt: Int) -> Duration {
        min(limit, first * (1 << min(max(attempt, 0), 20)))
    }
}
