// SPDX-License-Identifier: GPL-3.0-or-later

internal import Observability

/// What an administrator sees of the running agent, at one moment: `status`, the status page and the metrics all show this.
///
/// Times are Unix seconds. No secret is ever in here.
struct AgentStatus: Codable, Sendable, Equatable {
    /// `off` is what is not configured, `unknown` what could not be tried, `starting` what is being opened for the first time.
    enum Level: String, Codable, Sendable, CaseIterable {
        case ok, off, warning, failure, starting, unknown
    }

    /// One dependency, or one part of the agent: `slurmctld`, `slurmdbd`, `plugins`, `ledger`, `chain`, `grid`, …
    struct Part: Codable, Sendable, Equatable {
        var name: String
        var level: Level
        /// What is so, and what to do if it should not be.
        var text: String
        /// When it was found to be so; nil: now.
        var at: Int64?
    }

    struct Jobs: Codable, Sendable, Equatable {
        /// Runs of any job of the cluster that are not over.
        var openRuns = 0
        /// Requests of grids that have not become a Slurm job yet.
        var openOrders = 0
        /// Jobs that gateways have under way, claimed and not closed.
        var ofGrid = 0
        /// Jobs in the ledger, those that are over as well.
        var known = 0
        /// Jobs that Slurm forgot before anybody knew how they ended.
        var vanished = 0
        /// Those of them that slurmdbd is asked about now and then, for some days; nil: an earlier release.
        var vanishedFollowed: Int?
        /// Slurm jobs that were one too many for a request of a grid, and those of them that run: somebody should look.
        var surplus = 0
        var surplusRunning = 0
    }

    /// What one gateway has still to be told.
    struct Deliveries: Codable, Sendable, Equatable {
        var gateway: String
        var waiting: Int
        /// Given up by the gateway: `ledger retry` tries them again.
        var parked: Int
        /// When the oldest that waits was made.
        var oldest: Int64?
        var lastError: String?
    }

    typealias Problem = LogProblem

    var version: String
    var startedAt: Int64
    var now: Int64
    /// The worst level of the parts, where what is unknown counts as a warning; `starting` until all that is configured has been
    /// opened and looked at once.
    var health: Level
    /// One line: what it does, or what to do next. systemd shows it too.
    var summary: String
    /// The answer of `/readyz`: the ledger is open, the plugins' socket listens, and all that is configured has been
    /// opened once. That blocks or jobs move is not presumed.
    var isReady: Bool
    var cluster: String?
    var slurmVersion: String?
    var parts: [Part] = []
    var jobs = Jobs()
    var deliveries: [Deliveries] = []
    /// The newest first.
    var problems: [Problem] = []
    /// How many warnings and errors were logged since the start, by level (`warning`, `error`, `critical`); nil: not counted.
    var problemCounts: [String: Int]?
    /// The keys (`bridge.listen`, …) of the doors at which it listens; nil: an earlier release.
    var listening: [String]?
    /// What each gateway shows of itself; in JSON beside the rest.
    var sections = AllGatewaySections()
}
