// SPDX-License-Identifier: GPL-3.0-or-later

package import Observability

/// What an administrator sees of the running agent, at one moment: `status`, the status page and the metrics all show this.
///
/// Times are Unix seconds. No secret is ever in here.
package struct AgentStatus: Codable, Sendable, Equatable {
    /// `off` is what is not configured, `unknown` what could not be tried, `starting` what is being opened for the first time.
    package enum Level: String, Codable, Sendable, CaseIterable {
        case ok, off, warning, failure, starting, unknown
    }

    /// One dependency, or one part of the agent: `slurmctld`, `slurmdbd`, `plugins`, `ledger`, `chain`, `grid`, …
    package struct Part: Codable, Sendable, Equatable {
        package var name: String
        package var level: Level
        /// What is so, and what to do if it should not be.
        package var text: String
        /// When it was found to be so; nil: now.
        package var at: Int64?

        package init(name: String, level: Level, text: String, at: Int64? = nil) {
            (self.name, self.level, self.text, self.at) = (name, level, text, at)
        }
    }

    package struct Jobs: Codable, Sendable, Equatable {
        /// Runs of any job of the cluster that are not over.
        package var openRuns = 0
        /// Requests of grids that have not become a Slurm job yet.
        package var openOrders = 0
        /// Jobs that gateways have under way, claimed and not closed.
        package var ofGrid = 0
        /// Jobs in the ledger, those that are over as well.
        package var known = 0
        /// Jobs that Slurm forgot before anybody knew how they ended.
        package var vanished = 0
        /// Those of them that slurmdbd is asked about now and then, for some days; nil: an earlier release.
        package var vanishedFollowed: Int?
        /// Slurm jobs that were one too many for a request of a grid, and those of them that run: somebody should look.
        package var surplus = 0
        package var surplusRunning = 0

        package init(
            openRuns: Int = 0, openOrders: Int = 0, ofGrid: Int = 0, known: Int = 0, vanished: Int = 0,
            vanishedFollowed: Int? = nil, surplus: Int = 0, surplusRunning: Int = 0
        ) {
            (self.openRuns, self.openOrders, self.ofGrid, self.known) = (openRuns, openOrders, ofGrid, known)
            (self.vanished, self.vanishedFollowed) = (vanished, vanishedFollowed)
            (self.surplus, self.surplusRunning) = (surplus, surplusRunning)
        }
    }

    /// What one gateway has still to be told.
    package struct Deliveries: Codable, Sendable, Equatable {
        package var gateway: String
        package var waiting: Int
        /// Given up by the gateway: `ledger retry` tries them again.
        package var parked: Int
        /// When the oldest that waits was made.
        package var oldest: Int64?
        package var lastError: String?

        package init(gateway: String, waiting: Int, parked: Int, oldest: Int64? = nil, lastError: String? = nil) {
            (self.gateway, self.waiting, self.parked) = (gateway, waiting, parked)
            (self.oldest, self.lastError) = (oldest, lastError)
        }
    }

    package typealias Problem = LogProblem

    package var version: String
    package var startedAt: Int64
    package var now: Int64
    /// The worst level of the parts, where what is unknown counts as a warning; `starting` until all that is configured has been
    /// opened and looked at once.
    package var health: Level
    /// One line: what it does, or what to do next. systemd shows it too.
    package var summary: String
    /// The answer of `/readyz`: the ledger is open, the plugins' socket listens, and all that is configured has been
    /// opened once. That blocks or jobs move is not presumed.
    package var isReady: Bool
    package var cluster: String?
    package var slurmVersion: String?
    package var parts: [Part] = []
    package var jobs = Jobs()
    package var deliveries: [Deliveries] = []
    /// The newest first.
    package var problems: [Problem] = []
    /// How many warnings and errors were logged since the start, by level (`warning`, `error`, `critical`); nil: not counted.
    package var problemCounts: [String: Int]?
    /// The keys (`bridge.listen`, …) of the doors at which it listens; nil: an earlier release.
    package var listening: [String]?
    /// What each gateway shows of itself; in JSON beside the rest.
    var sections = AllGatewaySections()

    package init(version: String, startedAt: Int64, now: Int64, health: Level, summary: String, isReady: Bool) {
        (self.version, self.startedAt, self.now) = (version, startedAt, now)
        (self.health, self.summary, self.isReady) = (health, summary, isReady)
    }
}
