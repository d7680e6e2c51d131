// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import Support

/// What becomes of a claim's reports to the contract.
extension GridClaim {
    /// A report of ours was mined with effect.
    /// - Parameters:
    ///   - block: of its receipt.
    ///   - payments: that its receipt tells.
    mutating func succeeded(
        _ kind: Report.Kind, block: UInt64, transaction: Hash32, payments: [GridPayment] = [], now: Int64
    ) {
        failures = 0
        chain.block = max(chain.block, block)
        switch kind {
        case .running:
            running?.state = .done
            if chain.status == .scheduled { chain.status = .running }
            note(.reportedRunning, at: now, nil, transaction)
        case .end:
            final?.state = .done
            if let status = final?.status { chain.status = status }
            hasReadPayments = true
            note(.reportedEnd, at: now, final?.shown(ran: slurm.hasStarted), transaction)
        case .refuse:
            final?.state = .done
            chain.isOurs = false
            note(.givenBack, at: now, nil, transaction)
        }
        take(payments, now: now)
    }

    mutating func take(_ payments: [GridPayment], now: Int64) {
        for payment in payments {
            self.payments = (self.payments ?? []) + [payment]
            note(.paid, at: now, Wei.text(payment.credits), payment.transaction)
        }
    }

    /// It was mined without effect, or taken back by an administrator.
    /// - Parameter transaction: that was mined; nil: none was.
    mutating func reverted(_ kind: Report.Kind, block: UInt64, transaction: Hash32?, now: Int64) {
        chain.block = max(chain.block, block)
        let report = kind == .running ? running : final
        note(transaction == nil ? .cancelled : .notTaken, at: now, report?.shown(ran: slurm.hasStarted), transaction)
        let state = chain.isOver ? Report.State.done : .reverted
        switch kind {
        case .running: running?.state = state
        case .end, .refuse: final?.state = state
        }
        backOff(now)
    }

    /// The transactions of reports on their way are lost: the contract says whether they arrived.
    mutating func dropReports() {
        if running?.state == .sent { running = nil }
        if final?.state == .sent { final = nil }
    }

    /// The chain has lost the block of a report that was over: it is on its way again, and what it brought is undone until it is
    /// over once more.
    /// - Returns: false when no report of that attempt is over.
    mutating func lose(attempt: Int) -> Bool {
        if final?.attempt == attempt, final?.state != .sent {
            final?.state = .sent
            closedAt = nil
            payments = []
            hasReadPayments = nil
            endedBy = nil
            chain.isOurs = !isSuperseded
            chain.status = running?.state == .done ? .running : .scheduled
            return true
        }
        if running?.attempt == attempt, running?.state != .sent {
            running?.state = .sent
            if chain.status == .running {
                chain.status = .scheduled
                chain.start = nil
            }
            return true
        }
        return false
    }

    /// Those whose effect was told, the end first: without it the job is not over.
    var toldReports: [Report] {
        let verdicts: Set<Moment.Kind> = [.reportedEnd, .givenBack, .notTaken, .cancelled]
        let last = history?.last { verdicts.contains($0.kind) }?.kind
        var told: [Report] = []
        if let final, final.state == .done, last == .reportedEnd || last == .givenBack { told.append(final) }
        if let running, running.state == .done, history?.contains(where: { $0.kind == .reportedRunning }) == true {
            told.append(running)
        }
        return told
    }

    /// Transactions that brought its end, in blocks that the chain has lost since.
    var lostEnds: [Hash32] {
        guard final?.state != .done else { return [] }
        return history?.filter { $0.kind == .reportedEnd }.compactMap(\.transaction) ?? []
    }

    /// A report was decided, and has not reached the transaction manager: it is decided again.
    mutating func undecide(_ report: Report) {
        if running?.attempt == report.attempt, running?.state == .sent { running = nil }
        if final?.attempt == report.attempt, final?.state == .sent { final = nil }
    }

    /// Decided, and not over.
    var openReports: [Report] { [running, final].compactMap { $0 }.filter { $0.state == .sent } }

    /// The contract would not take the next report: it was not sent.
    mutating func rehearsalFailed(now: Int64) { backOff(now) }

    /// From the second failure in a row on.
    private static let retry = RetryPolicy(first: .seconds(4), ceiling: .seconds(300))

    private mutating func backOff(_ now: Int64) {
        failures += 1
        if failures > 1 { notBefore = now + Int64(Self.retry.seconds(attempt: failures - 2)) }
    }

    /// Whether a report is tried by a call that costs nothing before it is sent: the chain did not take the last one. An end
    /// behind a Running on its way cannot be tried yet.
    func rehearses(_ report: Report) -> Bool {
        failures > 0 && !(report.kind == .end && running?.state == .sent)
    }
}
