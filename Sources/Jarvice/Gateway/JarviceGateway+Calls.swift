// SPDX-License-Identifier: GPL-3.0-or-later

internal import JobLifecycle
internal import Logging

extension JarviceGateway: CallHandler {
    func isUp() async -> Bool {
        let cluster = cluster
        let answer = try? await Deadline.within(settings.slurmTimeout, "slurmctld") {
            () -> Result<Bool, JarviceError> in
            .success(await cluster.isUp())
        }
        return answer ?? false
    }

    func running() async throws(JarviceError) -> String { try await index.current().running }

    func queued() async throws(JarviceError) -> String { try await index.current().queued }

    // MARK: one job

    /// Only what this gateway submitted: another job of that number is unknown here.
    func own(_ job: NamedJob) async throws(JarviceError) -> (id: UInt32, order: OrderRecord)? {
        guard let id = Self.number(job.jobID) else { return nil }
        let order = try await ledgerAnswer { [ledger] in
            try await ledger.newestOrder(Self.gatewayName, jobID: id)
        }
        return order.map { (id, $0) }
    }

    /// Digits alone.
    static func number(_ text: String) -> UInt32? {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? UInt32(text) : nil
    }

    func runStatus(_ job: NamedJob) async throws(JarviceError) -> JSONText {
        let nothing = JSONText([.null, .null, .null, .null])
        guard let (id, _) = try await own(job) else { return nothing }
        guard let listed = try await index.current().jobs[id], !listed.isArray else { return nothing }
        // squeue prints one empty word for a job that has no nodes yet.
        let nodes = listed.nodes.isEmpty ? [""] : listed.nodes
        return JSONText([
            JSONText(nodes.map { JSONText($0) }), JSONText(Elapsed.hours(listed.elapsed)),
            JSONText("\(job.name)/\(job.number)/\(job.jobID)"), .null,
        ])
    }

    func terminate(_ job: NamedJob) async throws(JarviceError) {
        guard let (id, order) = try await own(job), try await end(of: order) == nil else { return }
        try await carryOut(.cancel(why: "ended by its user"), on: order)
        logger.info("JARVICE: terminated", metadata: ["job": "\(order.order.externalID)", "slurm": "\(id)"])
    }

    func release(_ job: NamedJob) async throws(JarviceError) {
        guard let (id, order) = try await own(job) else {
            throw JarviceError(.unknownJob, "job \(job.jobID.prefix(32)) is not a job of this gateway")
        }
        await index.changed()
        guard let listed = try await index.current().jobs[id] else {
            throw JarviceError(.unknownJob, "slurmctld has no job \(id) any more")
        }
        guard listed.state == .pending else { throw JarviceError(.wrongState, "job \(id) is not pending") }
        guard listed.isHeld else { return }
        guard !listed.isHeldByAdministrator else {
            throw JarviceError(.wrongState, "job \(id) is held by an administrator")
        }
        try await carryOut(.release, on: order)
        logger.info("JARVICE: released", metadata: ["job": "\(order.order.externalID)", "slurm": "\(id)"])
    }

    /// By the core, which has it on the disk and goes on trying: upstream is told what came of the first try.
    private func carryOut(_ command: JobCommand, on order: OrderRecord) async throws(JarviceError) {
        let (name, limit) = (order.order, settings.slurmTimeout)
        let answer = try await ledgerAnswer { [ledger] in
            try await ledger.attempt(
                command, of: name.gateway, name.externalID, claim: name.claim, within: limit)
        }
        await index.changed()
        switch answer {
        case .done: return
        case .impossible(let why): throw JarviceError(.refused, why)
        case .failed(let why): throw JarviceError(.unavailable, why)
        case .none: throw Deadline.passed(limit, "slurmctld")
        }
    }

    func events(_ job: NamedJob) async throws(JarviceError) -> String {
        let unknown = JarviceError(.unknownJob, "slurmctld has no job \(job.jobID.prefix(32)) of this gateway")
        guard let (id, _) = try await own(job) else { throw unknown }
        guard await isUp() else { throw JarviceError(.unavailable, "slurmctld does not answer") }
        guard let text = try await cluster.description(of: id) else { throw unknown }
        return text
    }

    // MARK: the end

    /// The last word of the ledger on a job; nil: it is not over.
    func end(of order: OrderRecord) async throws(JarviceError) -> JobTransition? {
        try await ledgerAnswer { [ledger] in
            try await ledger.transitions(ofLedgerJob: order.ledgerJob).last { $0.isFinal }
        }
    }

    func exitStatus(_ job: NamedJob) async throws(JarviceError) -> JSONText {
        guard let id = Self.number(job.jobID) else { return EndAnswer.unknown.json }
        guard let (_, order) = try await own(job) else {
            guard !(try await isKnown(id)) else {
                throw JarviceError(.unknownJob, "job \(id) is not a job of this gateway")
            }
            return EndAnswer.unknown.json
        }
        // Upstream asks as soon as the lists have the job no more; its end may be on its way to the ledger.
        _ = try await ledgerAnswer { [self] in
            try await news(of: order.ledgerJob, atMost: settings.endTimeout) {
                try await end(of: order) != nil
            }
        }
        guard let end = try await end(of: order) else {
            throw JarviceError(.wrongState, "job \(id) is not over, or its end is not known yet: ask again")
        }
        guard end.kind == .ended, let state = end.state,
            var answer = EndAnswer(
                state: state, elapsed: end.startTime == nil ? 0 : end.elapsed ?? 0,
                fromAccounting: end.source == .accounting)
        else { return EndAnswer.unknown.json }
        answer.output = try await endOutput(of: order)
        return answer.json
    }

    private func isKnown(_ id: UInt32) async throws(JarviceError) -> Bool {
        let cluster = cluster
        return try await Deadline.within(settings.slurmTimeout, "Slurm") { () -> Result<Bool, JarviceError> in
            do throws(JarviceError) {
                return .success(try await cluster.knows(id))
            } catch {
                return .failure(error)
            }
        }
    }
}
