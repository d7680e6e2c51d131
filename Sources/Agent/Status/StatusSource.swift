// SPDX-License-Identifier: GPL-3.0-or-later

internal import DeepSquare
internal import Foundation
internal import JobLifecycle

/// Makes the `AgentStatus` of the running agent.
struct StatusSource: Sendable {
    private let parts: RunningParts
    private let problems: @Sendable () -> [AgentStatus.Problem]
    private let problemCounts: @Sendable () -> [String: Int]

    private static let jobLimit = 50
    private static let days = 30

    init(
        _ parts: RunningParts, problems: @escaping @Sendable () -> [AgentStatus.Problem] = { [] },
        problemCounts: @escaping @Sendable () -> [String: Int] = { [:] }
    ) {
        self.parts = parts
        self.problems = problems
        self.problemCounts = problemCounts
    }

    func current() async -> AgentStatus {
        let now = parts.now
        var status = AgentStatus(
            version: Version.number, startedAt: parts.startedAt, now: Int64(Date().timeIntervalSince1970), health: .ok,
            summary: "", isReady: false)
        status.cluster = now.scheduler?.controller.clusterName
        status.slurmVersion = now.slurmVersion
        status.hasChain = parts.hasChain
        status.hasGrid = parts.hasChain && parts.hasGrid
        status.problems = problems()
        status.problemCounts = problemCounts()
        status.parts = Self.parts(of: now.findings)
        if let ledger = now.ledger {
            do throws(LedgerError) {
                let counts = try await ledger.counts()
                status.jobs = .init(
                    openRuns: counts.openRuns, openOrders: counts.openOrders, ofGrid: 0, known: counts.jobs,
                    vanished: counts.vanished, surplus: counts.surplus, surplusRunning: counts.surplusRunning)
                status.deliveries = try await ledger.backlogs().map {
                    .init(
                        gateway: $0.gateway, waiting: $0.waiting, parked: $0.parked, oldest: $0.oldest,
                        lastError: $0.lastError)
                }
            } catch {
                status.set(.init(name: "ledger", level: .failure, text: error.description))
            }
        }
        if let trouble = now.storageTrouble ?? now.ledger?.storageTrouble {
            status.set(.init(name: "state folder", level: .failure, text: trouble))
        }
        if let trouble = now.slurmTrouble {
            status.set(.init(name: "slurm.conf", level: .init(trouble.level), text: trouble.description))
        }
        if let trouble = now.chainTrouble {
            status.set(.init(name: "chain", level: .init(trouble.level), text: trouble.description))
        }
        for (key, why) in now.doors.sorted(by: { $0.key < $1.key }) {
            status.set(.init(name: key, level: .failure, text: why))
        }
        if let chain = now.chain { status.chain = AgentStatus.Chain(await chain.status) }
        if let grid = now.grid { await take(grid, into: &status) }
        if let jarvice = now.jarvice { await status.take(jarvice, parts.jarviceConfiguration) }
        let awaited = parts.awaited
        status.isReady = now.isListening && !now.isEnding && parts.unopened.isEmpty
        status.health = status.parts.map(\.level.asHealth).max() ?? .ok
        if !awaited.isEmpty, status.health < .starting { status.health = .starting }
        status.summary = status.words(
            awaited: awaited, hasGrid: parts.hasChain, isEnding: now.isEnding)
        return status
    }

    private func take(_ grid: DeepSquareGateway, into status: inout AgentStatus) async {
        let word = await grid.status
        status.grid = .init(
            contract: word.contract, state: word.state, isApproved: word.isApproved, isDrained: word.isDrained,
            credits: word.credits)
        status.jobs.ofGrid = word.jobs.count
        // The gateway hears of an approval with the block that brings it, the checks a round later.
        status.set(
            .init(
                name: "provider", level: word.isApproved ? .ok : .warning,
                text: word.isApproved ? word.state : word.state + Checks.unapproved))
        if let outcomes = word.outcomes {
            status.outcomes = outcomes
            status.set(.init(outcomes))
        }
        status.held = word.jobs.compactMap(AgentStatus.HeldReport.init)
        do throws(GridError) {
            status.recentJobs = try await grid.recentJobs(limit: Self.jobLimit).map(AgentStatus.Job.init)
            status.earnings = try await grid.earnings(days: Self.days).map(AgentStatus.Earnings.init)
        } catch {
            status.set(.init(name: "grid's file", level: .failure, text: error.description))
        }
    }

    /// One part for each subject of the checks: the worst of its findings, and all that is not well.
    static func parts(of findings: [Finding]) -> [AgentStatus.Part] {
        var parts: [AgentStatus.Part] = []
        for finding in findings {
            let level = AgentStatus.Level(finding)
            guard let index = parts.firstIndex(where: { $0.name == finding.subject }) else {
                parts.append(.init(name: finding.subject, level: level, text: finding.text, at: finding.at))
                continue
            }
            if level > parts[index].level {
                parts[index] = .init(name: finding.subject, level: level, text: finding.text, at: finding.at)
            } else if level == parts[index].level {
                parts[index].text += "; " + finding.text
            }
        }
        return parts
    }
}

extension AgentStatus.Level: Comparable {
    private var rank: Int {
        switch self {
        case .off: 0
        case .ok: 1
        case .unknown: 2
        case .warning: 3
        case .starting: 4
        case .failure: 5
        }
    }

    /// What it makes of the whole.
    var asHealth: Self { self == .unknown ? .warning : self }

    static func < (left: Self, right: Self) -> Bool { left.rank < right.rank }

    init(_ level: Finding.Level) {
        switch level {
        case .ok: self = .ok
        case .unknown: self = .unknown
        case .warning: self = .warning
        case .failure: self = .failure
        }
    }

    init(_ finding: Finding) {
        self = finding.text.hasPrefix("off: ") ? .off : .init(finding.level)
    }
}

extension AgentStatus {
    mutating func set(_ part: Part) {
        if let index = parts.firstIndex(where: { $0.name == part.name }) {
            parts[index] = part
        } else {
            parts.append(part)
        }
    }

    /// The line for systemd: what is wrong, else what goes on and what could be next.
    ///
    /// - Parameters:
    ///   - awaited: what is being opened for the first time.
    ///   - hasGrid: whether a chain or a grid is configured.
    fileprivate func words(awaited: [String], hasGrid: Bool, isEnding: Bool) -> String {
        if isEnding { return "ending: finishing what is under way" }
        let worst = parts.first { $0.level == .failure }
        if !awaited.isEmpty, worst == nil { return "starting: waits for \(awaited.joined(separator: ", "))" }
        guard let cluster else {
            return "idle: \(parts.first { $0.name == "slurm.conf" }?.text ?? "reading slurm.conf")"
        }
        let doing =
            "cluster \(cluster): \(jobs.openRuns) open run\(jobs.openRuns == 1 ? "" : "s")"
            + (grid == nil ? "" : ", \(jobs.ofGrid) of the grid")
            + deliveries.filter { $0.waiting + $0.parked > 0 }.map {
                ", \($0.waiting) \($0.waiting == 1 ? "delivery" : "deliveries") to \($0.gateway) waiting"
                    + ($0.parked > 0 ? ", \($0.parked) parked" : "")
            }.joined()
        if let worst {
            return "\(doing); FAILURE \(worst.name): \(worst.text)"
        }
        if !hasGrid {
            return "\(doing); no grid is configured: /etc/slurm-grid-agent/config.yaml, then `slurm-grid-agent check`"
        }
        if let worst = parts.first(where: { $0.level == .warning }) {
            return "\(doing); \(worst.name): \(worst.text)"
        }
        return doing
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
