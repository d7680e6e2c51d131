// SPDX-License-Identifier: GPL-3.0-or-later

internal import DeepSquare
internal import Ethereum
internal import StatusViews

/// What chain and grid say for `status`, at one moment.
struct DeepSquareReport: Sendable {
    private static let jobLimit = 50
    private static let days = 30

    private var chain: ChainParts.Status?
    private var grid: GridStatus?
    private var recentJobs: [AgentStatus.Job] = []
    private var earnings: [AgentStatus.Earnings] = []
    private var fileTrouble: String?

    init(_ chain: ChainParts?, _ grid: DeepSquareGateway?) async {
        self.chain = await chain?.status
        guard let grid else { return }
        self.grid = await grid.status
        do throws(GridError) {
            recentJobs = try await grid.recentJobs(limit: Self.jobLimit).map(AgentStatus.Job.init)
            earnings = try await grid.earnings(days: Self.days).map(AgentStatus.Earnings.init)
        } catch {
            fileTrouble = error.description
        }
    }

    func add(to status: inout AgentStatus) {
        if let chain { status.chain = AgentStatus.Chain(chain) }
        guard let word = grid else { return }
        status.grid = .init(
            contract: word.contract, state: word.state, isApproved: word.isApproved, isDrained: word.isDrained,
            obstacles: GridStatus.obstacles(word.obstacles, beside: status.parts), credits: word.credits)
        status.jobs.ofGrid += word.jobs.count
        // The gateway hears of an approval with the block that brings it, the checks a round later.
        let provider = Checks.provider(Checks.Standing(word))
        status.set(.init(name: provider.subject, level: .init(provider.level), text: provider.text))
        if let outcomes = word.outcomes {
            status.outcomes = outcomes
            status.set(.init(outcomes))
        }
        status.held = word.jobs.compactMap(AgentStatus.HeldReport.init)
        if let fileTrouble {
            status.set(.init(name: "grid's file", level: .failure, text: fileTrouble))
        } else {
            status.recentJobs = recentJobs
            status.earnings = earnings
        }
    }
}

extension GridStatus {
    /// Why no new jobs are claimed, with what only the agent's other parts know.
    static func obstacles(_ own: [String]?, beside parts: [AgentStatus.Part]) -> [String]? {
        let isSilent = parts.contains { $0.name == "slurmctld" && $0.level == .failure }
        return own.map { $0 + (isSilent ? ["slurmctld does not answer"] : []) }
    }
}

extension AgentStatus.Chain {
    init(_ status: ChainParts.Status) {
        let account = status.account
        self.init(
            id: account.chain, account: account.address, balance: account.balance, head: account.head,
            readTo: status.feed?.block, lag: status.feed?.lag, inFlight: account.inFlight, waiting: account.waiting,
            alarms: account.alarms)
    }
}

extension AgentStatus.Part {
    /// A cluster that refuses each job works well in all else.
    init(_ outcomes: GridOutcomes) {
        let day = outcomes.lastDay
        let counts = "\(day.submitted) became Slurm jobs, \(day.refused) refused, \(day.failed) failed in 24 h"
        guard outcomes.isRefusingAll, let newest = outcomes.newest else {
            self.init(name: "grid jobs", level: .ok, text: counts)
            return
        }
        self.init(
            name: "grid jobs", level: .warning,
            text: "the last \(outcomes.inARow) jobs became no Slurm job, the newest because: \(newest.reason); "
                + "`slurm-grid-agent provider try \(newest.customer)` tries it again")
    }
}

extension AgentStatus.HeldReport {
    /// nil: nothing of this job waits.
    init?(_ job: GridStatus.Job) {
        guard let reason = job.trouble ?? job.hold.map({ "the contract would not pay \($0.minutes) minutes before" })
        else { return nil }
        self.init(job: job.job, slurmJob: job.slurmJob, reason: reason, until: job.hold?.until)
    }
}

extension AgentStatus.Job {
    init(_ job: GridStatus.Job) {
        self.init(
            id: job.job, claim: job.claim, slurmJob: job.slurmJob, customer: job.customer, chainStatus: job.chainStatus,
            state: job.state, isOver: job.isOver, minutes: job.minutes, reportedMinutes: job.reportedMinutes,
            trouble: job.trouble, earned: job.earned,
            steps: job.steps.map { .init(at: $0.at, what: $0.what, transaction: $0.transaction) })
    }
}

extension AgentStatus.Earnings {
    init(_ earnings: GridEarnings) {
        self.init(day: earnings.day, jobs: earnings.jobs, credits: earnings.credits)
    }
}
