// SPDX-License-Identifier: GPL-3.0-or-later

internal import Support

extension RetryPolicy {
    static let hints = RetryPolicy(first: .milliseconds(250), ceiling: .seconds(30))
    /// Of jobs that may have started, while slurmctld does not answer.
    static let starts = RetryPolicy(first: .milliseconds(250), ceiling: .seconds(2))
    /// Of runs that slurmctld has forgotten and slurmdbd may still hear of.
    static let vanished = RetryPolicy(first: .seconds(300), ceiling: .seconds(6 * 3600))
    static let orders = RetryPolicy(first: .milliseconds(500), ceiling: .seconds(60))
    /// For a job whose submission has no answer: slurmctld remembers ended ones for some minutes only.
    static let looks = RetryPolicy(first: .milliseconds(500), ceiling: .seconds(10))
    static let commands = RetryPolicy(first: .milliseconds(500), ceiling: .seconds(30))
    static let unavailable = RetryPolicy(first: .milliseconds(500), ceiling: .seconds(30))
    static let deliveries = RetryPolicy(first: .milliseconds(500), ceiling: .seconds(300))
}
