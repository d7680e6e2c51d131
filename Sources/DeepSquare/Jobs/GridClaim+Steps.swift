// SPDX-License-Identifier: GPL-3.0-or-later

internal import Support

extension GridClaim {
    /// What a claim's next step depends on besides the claim.
    struct World: Sendable, Hashable {
        /// Unix seconds.
        var now: Int64
        /// The same, by which orders are given up: earlier where the wall clock was set forward.
        var trustedNow: Int64
        /// The clock's last leap: what is dated before may be younger than it seems.
        var leap: ClockTrust.Leap?
        /// The chain lets us report. Otherwise every call would revert.
        var isApproved: Bool
        var billing: Billing
        var exitCode = GridSettings.ExitCodeForm.waitStatus
        /// Seconds that a claim waits for Slurm to take its job.
        var retryLimit: Int64

        func age(since time: Int64) -> Int64 {
            ClockTrust.age(since: time, wall: now, trusted: trustedNow, leap: leap)
        }
    }

    enum Step: Sendable, Hashable {
        /// Somebody may have made a job of it already: ask the chain, Slurm and its accounting.
        case examine
        /// Fetch the script, check the policy, order the job.
        case decide
        /// The order is to become no job any more, if it is none yet.
        case withdraw(String)
        case cancel(UInt32, why: String)
        case setLimit(UInt32, minutes: UInt64)
        /// Ask the contract for the job's state.
        case read
        case send(Report)
        /// Look again at this time (Unix seconds).
        case wait(until: Int64)
        /// The end waits for the chain's clock: otherwise so many minutes would be lost.
        case hold(until: Int64, losing: UInt64)
        /// Nothing more will happen to it.
        case close
    }

    /// All that is to be done now. Asked again after each change, so a step that cannot be taken comes again.
    func steps(_ world: World) -> [Step] {
        if isClosed { return [] }
        if chain.isOver, !needsExamination || isSuperseded { return over() }
        // A report on its way is waited for: the contract's word of before it would be taken for an answer to it.
        if needsExamination { return hasReportsOnTheirWay ? [] : [.examine] }
        var steps: [Step] = []
        switch verdict {
        case .undecided:
            return [.decide]
        case .accepted:
            steps += liveSteps(world)
            steps += reports(world)
        case .refused(let why):
            steps += slurm.isLive ? ending(why) : refusal(world, .refuse, why)
        case .failed(let why):
            steps += slurm.isLive ? ending(why) : refusal(world, .end, why)
        }
        return steps
    }

    private var hasReportsOnTheirWay: Bool { !openReports.isEmpty }

    /// The chain has had the last word: what still lives in Slurm is ended, and nothing is reported.
    private func over() -> [Step] {
        if slurm.isLive { return ending("the chain took the job back") }
        return hasReportsOnTheirWay ? [] : [.close]
    }

    private func ending(_ why: String) -> [Step] {
        guard !slurm.isCancelled else { return [] }
        return [slurm.jobID.map { .cancel($0, why: why) } ?? .withdraw(why)]
    }

    private func liveSteps(_ world: World) -> [Step] {
        guard slurm.isLive else { return [] }
        if isCancelWanted { return ending("the customer cancelled the job") }
        guard let id = slurm.jobID else {
            let rest = world.retryLimit - world.age(since: acceptedAt ?? claimedAt)
            return [
                rest <= 0
                    ? .withdraw("the cluster's scheduler was not to be reached for too long")
                    : .wait(until: world.now.saturatingAdd(rest))
            ]
        }
        if let limit = slurm.limit, limit != paidMinutes { return [.setLimit(id, minutes: paidMinutes)] }
        return []
    }

    // MARK: reports

    /// Nothing waits for longer than an hour: what is further off was so by a clock that has been set back since.
    private func isWaiting(at now: Int64) -> Bool {
        now < notBefore && notBefore.saturatingSubtract(now) <= 3600
    }

    private func reports(_ world: World) -> [Step] {
        guard world.isApproved else { return [] }
        // The contract decides what becomes of the rest, as soon as nothing of ours can change it any more.
        if running?.state == .reverted || final?.state == .reverted {
            return hasReportsOnTheirWay ? [] : [.read]
        }
        if isWaiting(at: world.now) { return [.wait(until: notBefore)] }
        let ending = slurm.ending
        // These two the contract takes of a running job only.
        let endsFromRunning = ending?.status == .finished || ending?.status == .outOfCredits
        var steps: [Step] = []
        var isRunningSent = chain.status == .running || running?.state == .sent
        if slurm.hasStarted || endsFromRunning, !isRunningSent {
            steps.append(.send(Report(kind: .running, status: .running)))
            isRunningSent = true
        }
        guard let ending, final == nil else { return steps }
        // It never ran: all credits go back.
        guard isRunningSent else { return [.send(report(ending, minutes: 0, world))] }
        // Were Running lost, the other ends would be taken all the same, from Scheduled, and nothing would be paid.
        guard chain.status == .running || endsFromRunning else { return steps }
        switch world.billing.plan(used: slurm.seconds, start: chain.start, ended: ending.knownAt, now: world.now) {
        case .report(let minutes):
            steps.append(.send(report(ending, minutes: minutes, world)))
        case .hold(let until, let losing):
            if chain.start != nil {
                steps.append(.hold(until: until, losing: losing))
            } else if chain.status == .running {
                // Its block's time is in the contract once Running is.
                steps.append(.read)
            }
        }
        return steps
    }

    private func report(_ ending: Ending, minutes: UInt64, _ world: World) -> Report {
        Report(
            kind: .end, status: ending.status, minutes: minutes, exitCode: ending.exitCode(world.exitCode),
            words: Ending.bounded(ending.words))
    }

    /// Of a claim that becomes no job.
    private func refusal(_ world: World, _ wanted: Report.Kind, _ why: String) -> [Step] {
        guard world.isApproved else { return [] }
        // Somebody has told the chain that it runs: it cannot be given back any more.
        let kind = chain.status == .running ? .end : wanted
        if final?.state == .reverted { return [.read] }
        if isWaiting(at: world.now) { return [.wait(until: notBefore)] }
        guard final == nil else { return [] }
        return [.send(Report(kind: kind, status: kind == .refuse ? .pending : .failed, words: Ending.bounded(why)))]
    }
}
