// SPDX-License-Identifier: GPL-3.0-or-later

internal import DeepSquare
internal import StatusViews

/// What the status has of the chain and the grid: in its JSON these fields lie beside those of the agent.
struct DeepSquareSection: GatewayStatusSection {
    static let key: String? = nil

    var held: [AgentStatus.HeldReport] = []
    var chain: AgentStatus.Chain?
    var grid: AgentStatus.Grid?
    /// Whether they are configured: what is not open yet is not off. nil: not told.
    var hasChain: Bool?
    var hasGrid: Bool?
    /// Jobs of the grid, the newest first; those that are over too, up to a limit.
    var recentJobs: [AgentStatus.Job] = []
    /// The newest day first.
    var earnings: [AgentStatus.Earnings] = []
    /// What became of the grid's jobs here; nil: there is no grid.
    var outcomes: GridOutcomes?
}

extension AgentStatus {
    var deepSquare: DeepSquareSection {
        get { self[DeepSquareSection.self] ?? DeepSquareSection() }
        set { self[DeepSquareSection.self] = newValue }
    }

    var held: [HeldReport] {
        get { deepSquare.held }
        set { deepSquare.held = newValue }
    }
    var chain: Chain? {
        get { deepSquare.chain }
        set { deepSquare.chain = newValue }
    }
    var grid: Grid? {
        get { deepSquare.grid }
        set { deepSquare.grid = newValue }
    }
    var hasChain: Bool? {
        get { deepSquare.hasChain }
        set { deepSquare.hasChain = newValue }
    }
    var hasGrid: Bool? {
        get { deepSquare.hasGrid }
        set { deepSquare.hasGrid = newValue }
    }
    var recentJobs: [Job] {
        get { deepSquare.recentJobs }
        set { deepSquare.recentJobs = newValue }
    }
    var earnings: [Earnings] {
        get { deepSquare.earnings }
        set { deepSquare.earnings = newValue }
    }
    var outcomes: GridOutcomes? {
        get { deepSquare.outcomes }
        set { deepSquare.outcomes = newValue }
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
        /// Why no new jobs are claimed; empty: they are. nil: an agent of an earlier release.
        var obstacles: [String]?
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
}
