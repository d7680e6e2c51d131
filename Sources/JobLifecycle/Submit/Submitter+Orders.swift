// SPDX-License-Identifier: GPL-3.0-or-later

internal import Logging
internal import Support

/// The steps of an order.
extension Submitter {
    /// After a lost answer the job is mostly there already.
    private static let firstLook: Int64 = 500_000

    func submit(_ accepted: OrderRecord) async throws {
        if let why = accepted.withdrawn {
            return try await ledger.noteRefused(accepted.ledgerJob, .withdrawn, why: why)
        }
        if try await wasAskedForBefore(accepted) { return }
        guard let order = try await ledger.noteAttempt(accepted.ledgerJob) else { return }
        let begun = ledger.microseconds
        let id: UInt32
        do throws(SchedulerError) {
            id = try await scheduler.submitHeld(order.order.request, tag: order.tag)
        } catch {
            return try await failed(order, error)
        }
        let took = ledger.microseconds - begun
        if order.wasAskedOnce {
            try await confirm(order, id, took: took)
        } else {
            // The job of an attempt before may have come about meanwhile.
            try await adopt(order)
        }
    }

    private func failed(_ order: OrderRecord, _ error: SchedulerError) async throws {
        guard error.mayHaveHappened else {
            if error.code == .refused {
                return try await ledger.noteRefused(order.ledgerJob, .scheduler, why: error.message)
            }
            try await ledger.forgetAttempt(order.ledgerJob, unsent: true)
            throw error
        }
        let now = ledger.microseconds
        var doubt = order.doubt ?? SubmissionDoubt(askedAt: now)
        doubt.since = now
        try await ledger.note(doubt, of: order.ledgerJob, lookAt: now + Self.firstLook, why: error.message)
        if Task.isCancelled {
            // Not slurmctld is silent, nobody listens any more.
            logger.info(
                "the agent ends before slurmctld has answered a submission: it looks for the job when it is started again",
                metadata: order.logIDs())
            return
        }
        logger.warning(
            "a submission has no answer: its job is looked for, and submitted again only when it cannot come any more",
            metadata: order.logIDs().merging(["why": "\(error)"]) { $1 })
    }

    /// Reads the new job back and lets it go.
    private func confirm(_ order: OrderRecord, _ id: UInt32, took: Int64) async throws {
        let seen: [JobObservation]
        do {
            seen = try await look(at: id, order)
        } catch {
            try await ledger.noteSubmitted(order.ledgerJob, jobID: id, took: took)
            throw error
        }
        guard try await ledger.noteSubmitted(order.ledgerJob, jobID: id, seen: seen, took: took) == id else { return }
        logger.info("submitted", metadata: order.logIDs(slurm: id))
        if seen.isEmpty { return try await lost(order, id) }
        seen.first.map { warnOfLostHold($0, order) }
        try await letGo(order, id, seen)
    }

    /// Nothing harmful by itself: but a job that runs can be purged before its number is known.
    private func warnOfLostHold(_ job: JobObservation, _ order: OrderRecord) {
        guard job.hasStarted else { return }
        logger.warning(
            "a job began before the agent let it go: a job_submit plugin gives it a priority",
            metadata: order.logIDs(slurm: job.orderNumber))
    }

    /// The answer was lost, or the agent died before it came: find the job.
    func adopt(_ order: OrderRecord) async throws {
        // Whether a call of ours is still stuck counts before the look.
        let hangs = await hangs()
        let began = ledger.microseconds
        let found = try await scheduler.jobs(of: order.order.request, tag: order.tag)
        if let kept = SubmissionChoice.keep(found) { return try await keep(kept, of: found, order) }
        let timing = try await scheduler.timing()
        let longest = try await ledger.longestSubmission()
        var doubt = order.doubt ?? SubmissionDoubt(askedAt: (order.attemptedAt ?? 0) * 1_000_000)
        switch doubt.found(nothingAt: began, timing, longest: longest, hangs: hangs) {
        case .look(let next):
            let why =
                hangs ? "a call to Slurm still hangs" : "its submission has no answer, and Slurm has no such job yet"
            try await ledger.note(doubt, of: order.ledgerJob, lookAt: next, why: why)
        case .askAgain:
            logger.notice("a lost submission is made again", metadata: order.logIDs())
            try await ledger.forgetAttempt(order.ledgerJob)
        case .unknowable:
            try await conclude(order)
        }
    }

    private func hangs() async -> Bool {
        do throws(SchedulerError) {
            try await scheduler.settle()
            return false
        } catch {
            return true
        }
    }

    func keep(_ kept: JobObservation, of found: [JobObservation], _ order: OrderRecord) async throws {
        let id = kept.orderNumber
        // Of several attempts this is the first one's job only if each has made one.
        let asked =
            found.count >= order.asks
            ? (order.attemptedAt ?? kept.submitTime).saturatingMultiply(1_000_000) : order.doubt?.askedAt ?? .max
        let took = max(0, kept.submitTime.saturatingMultiply(1_000_000).saturatingSubtract(asked))
        try await ledger.noteSurplus(found.filter { $0.orderNumber != id }, of: order.ledgerJob)
        let number = try await ledger.noteSubmitted(
            order.ledgerJob, jobID: id, seen: found.filter { $0.orderNumber == id }, took: took)
        // One that started was seen meanwhile: the next step goes on with it.
        guard number == id else { return }
        logger.notice("found the job of a lost answer", metadata: order.logIDs(slurm: id))
        warnOfLostHold(kept, order)
        try await release(order, id)
    }

    /// It may have been there and been ended by hand, so long ago that slurmctld has forgotten it. slurmdbd may not have.
    private func conclude(_ order: OrderRecord) async throws {
        let runs = try await accounted(
            order, since: (order.attemptedAt ?? 0) - LedgerTransaction.clockTolerance)
        guard let id = SubmissionChoice.keep(runs)?.orderNumber else {
            return try await ledger.noteRefused(
                order.ledgerJob, .doubt,
                why: "what became of its submission can no longer be known, so it is not submitted again")
        }
        try await take(runs, id, order)
    }

    // MARK: its number is known

    func release(_ order: OrderRecord) async throws {
        guard let id = order.jobID else { return }
        if order.wasReleased {
            logger.notice(
                order.withdrawn == nil
                    ? "slurmctld lost that a job was released: it is released again"
                    : "slurmctld lost the end of a job: it is ended again", metadata: order.logIDs(slurm: id))
        }
        try await release(order, id)
    }

    private func release(_ order: OrderRecord, _ id: UInt32) async throws {
        if !order.wasAskedOnce { try await endOthers(than: id, order) }
        let seen = try await look(at: id, order)
        if seen.isEmpty { return try await lost(order, id) }
        guard try await ledger.noteSubmitted(order.ledgerJob, jobID: id, seen: seen) == id else { return }
        try await letGo(order, id, seen)
    }

    private func letGo(_ order: OrderRecord, _ id: UInt32, _ seen: [JobObservation]) async throws {
        if let why = try await ledger.order(ledgerJob: order.ledgerJob)?.withdrawn {
            try await scheduler.cancel(id)
            try await ledger.noteReleased(order.ledgerJob, isEnded: true)
            return logger.info(
                "ended before it ran", metadata: order.logIDs(slurm: id).merging(["why": "\(why)"]) { $1 })
        }
        await mark(order, id, seen)
        if !order.staysHeld {
            try await scheduler.release(id, tag: order.tag, seen.first { !$0.state.base.isEnd })
        }
        try await ledger.noteReleased(order.ledgerJob)
    }

    /// Puts a tag back that a job_submit plugin took away.
    private func mark(_ order: OrderRecord, _ id: UInt32, _ seen: [JobObservation]) async {
        let open = seen.filter { !$0.state.base.isEnd }
        guard let bare = open.first(where: { !OrderTag.all(in: $0.details.adminComment).contains(order.tag) }) else {
            return
        }
        logger.warning(
            "a job_submit plugin removed the agent's tag from the admin comment of a job; it is put back",
            metadata: order.logIDs(slurm: id).merging(["admin_comment": "\(bare.details.adminComment ?? "")"]) { $1 })
        do throws(SchedulerError) {
            do throws(SchedulerError) {
                try await scheduler.setTag(order.tag, of: id, beside: bare.details.adminComment)
            } catch {
                // Nobody would do it later; and a plugin that forbids it must not keep the job from starting.
                try await scheduler.setTag(order.tag, of: id, beside: bare.details.adminComment)
            }
        } catch {
            if Task.isCancelled { return }
            logger.warning(
                "the tag of a job could not be put back; the job is known by its number",
                metadata: order.logIDs(slurm: id).merging(["why": "\(error)"]) { $1 })
        }
    }

    /// Slurm's records of the order's own job; a number may have been another job's before.
    private func look(at id: UInt32, _ order: OrderRecord) async throws(SchedulerError) -> [JobObservation] {
        try await scheduler.look(at: id).filter { order.isOf(id, $0) }
    }

    /// slurmctld has no job of this number (any more): it ended meanwhile, or a slurmctld that was killed lost it.
    private func lost(_ order: OrderRecord, _ id: UInt32) async throws {
        var rows: [JobObservation] = []
        do throws(SchedulerError) {
            rows = try await scheduler.accounting(of: [id]).filter {
                order.isOf(id, $0) && $0.state.base.isEnd
            }
        } catch {
            guard error.code == .noAccounting else { throw error }
        }
        if !rows.isEmpty { try await ledger.noteSubmitted(order.ledgerJob, jobID: id, seen: rows) }
        // Of an old copy it may have run and been forgotten since.
        let asked = ledger.isFromBefore(order.ledgerJob) ? order.attemptedAt.map { $0 * 1_000_000 } : nil
        guard try await ledger.noteLost(order.ledgerJob, askedAt: asked) else {
            try await ledger.noteReleased(order.ledgerJob)
            return
        }
        logger.warning("Slurm lost a job that was not let go yet; it is looked for", metadata: order.logIDs(slurm: id))
    }
}
