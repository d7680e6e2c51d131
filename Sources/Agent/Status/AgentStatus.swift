// SPDX-License-Identifier: GPL-3.0-or-later

internal import DeepSquare

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
        /// Jobs of the grid that are claimed and not closed.
        var ofGrid = 0
        /// Jobs in the ledger, those that are over as well.
        var known = 0
        /// Jobs that Slurm forgot before anybody knew how they ended.
        var vanished = 0
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

    /// A report that is kept back, or tried again and again.
    struct HeldReport: Codable, Sendable, Equatable {
        /// The grid's id of the job.
        var job: String
        var slurmJob: UInt32?
        var reason: String
        /// When it will be sent, if that is known.
        var until: Int64?
    }

    struct Chain: Codable, Sendable, Equatable {
        var id: UInt64
        var account: String
        /// Wei of the chain's coin, decimal.
        var balance: String?
        var head: UInt64?
        /// The last block whose logs were taken, and how many blocks the chain is ahead of it.
        var readTo: UInt64?
        var lag: UInt64?
        var inFlight: Int
        var waiting: Int
        /// By name, in words.
        var alarms: [String: String]
    }

    struct Grid: Codable, Sendable, Equatable {
        var contract: String
        /// What the chain says of this provider, in words.
        var state: String
        var isApproved: Bool
        var isDrained: Bool
        /// Credits of this provider in wei, decimal.
        var credits: String?
    }

    /// One step of a job's way from request to payment.
    struct Step: Codable, Sendable, Equatable {
        var at: Int64
        /// `claimed`, `submitted`, `started`, `reported Running`, `ended: COMPLETED`, `reported Finished`, `paid 8.333`, …
        var what: String
        /// The transaction that told it, or that it came with.
        var transaction: String?
    }

    /// A job of the grid.
    struct Job: Codable, Sendable, Equatable {
        /// The grid's id.
        var id: String
        var claim: Int64
        var slurmJob: UInt32?
        var customer: String
        var chainStatus: String
        /// What goes on, in words.
        var state: String
        var isOver: Bool
        /// Minutes that were bought, and those that were reported.
        var minutes: UInt64
        var reportedMinutes: UInt64?
        /// What is tried again, or waited for.
        var trouble: String?
        /// Wei of credits that this provider got.
        var earned: String?
        /// The oldest first.
        var steps: [Step]
    }

    struct Earnings: Codable, Sendable, Equatable {
        /// UTC, `2026-11-21`.
        var day: String
        var jobs: Int
        /// Wei of credits, decimal.
        var credits: String
    }

    /// A warning or error of the log.
    struct Problem: Codable, Sendable, Equatable {
        var at: Int64
        /// `warning`, `error`, `critical`.
        var level: String
        /// With its ids.
        var message: String
        /// How often since the first time, if it repeats.
        var count: Int
    }

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
    var held: [HeldReport] = []
    var chain: Chain?
    var grid: Grid?
    /// Whether they are configured: what is not open yet is not off. nil: not told.
    var hasChain: Bool?
    var hasGrid: Bool?
    /// Jobs of the grid, the newest first; those that are over too, up to a limit.
    var recentJobs: [Job] = []
    /// The newest day first.
    var earnings: [Earnings] = []
    /// The newest first.
    var problems: [Problem] = []
    /// How many warnings and errors were logged since the start, by level (`warning`, `error`, `critical`); nil: not counted.
    var problemCounts: [String: Int]?
    /// What became of the grid's jobs here; nil: there is no grid.
    var outcomes: GridOutcomes?
    /// nil: there is no JARVICE gateway, or it is not open yet.
    var jarvice: Jarvice?
}
