// SPDX-License-Identifier: GPL-3.0-or-later

internal import JobLifecycle
internal import Logging
public import ServiceLifecycle

extension JarviceGateway {
    /// What a job that has ended wrote: as it was kept, or read and kept now.
    func endOutput(of order: OrderRecord) async throws(JarviceError) -> String {
        guard let answers, let key = Self.answerKey(order) else {
            return try await output(of: order, lines: FileRequest.lineLimit) ?? ""
        }
        if let kept = await answer({ () async throws(JarviceError) in try await answers.output(of: key) }) ?? nil {
            if !kept.isTold { ended.addTold(key) }
            return kept.text
        }
        guard let text = try await keptOutput(of: order) else { return "" }
        ended.addTold(key)
        return text
    }

    /// Reads what a job wrote, and keeps it once nothing of the job can write any more; nil: there is nothing to read.
    ///
    /// - Parameter isOld: its processes have ended long ago.
    private func keptOutput(of order: OrderRecord, isOld: Bool = false) async throws(JarviceError) -> String? {
        // Asked first: what is read then is all of it.
        var isQuiet = isOld
        if !isOld { isQuiet = await self.isQuiet(order) }
        guard let text = try await output(of: order, lines: FileRequest.lineLimit) else { return nil }
        guard isQuiet, let answers, let key = Self.answerKey(order) else { return text }
        return await answer { () async throws(JarviceError) in try await answers.keep(text, of: key) } ?? text
    }

    /// A day in which the disk is full costs upstream nothing: outputs are read again then.
    private func answer<Value>(_ body: () async throws(JarviceError) -> Value) async -> Value? {
        do throws(JarviceError) {
            return try await body()
        } catch {
            logger.warning("JARVICE: answers are not kept", metadata: ["why": "\(error)"])
            return nil
        }
    }

    /// Across ledgers that were lost.
    static func answerKey(_ order: OrderRecord) -> String? {
        order.jobID.map { "\(order.order.externalID)/\(order.order.claim)/\($0)" }
    }

    /// Whether the job's nodes are done with it. A cancelled job writes until its processes have been killed.
    private func isQuiet(_ order: OrderRecord) async -> Bool {
        guard let jobID = order.jobID, let now = try? await index.current() else { return false }
        guard let listed = now.jobs[jobID] else { return true }
        return listed.state.isEnd && listed.flags.isDisjoint(with: .running)
    }

    // MARK: ahead

    /// Before it is removed.
    func keepOutput(of order: OrderRecord, isOld: Bool) async throws(JarviceError) {
        guard let answers, let key = Self.answerKey(order), try await answers.output(of: key) == nil else { return }
        _ = try await keptOutput(of: order, isOld: isOld)
    }

    /// What has ended since the last time; what is not quiet yet comes again.
    func readAhead() async {
        guard let answers, files != nil else { return }
        let (jobs, told) = ended.take()
        if !told.isEmpty { _ = await answer { () async throws(JarviceError) in try await answers.noteTold(told) } }
        await withDiscardingTaskGroup { group in
            // The helper takes more at once: upstream's questions come first.
            var rest = jobs[...]
            let share = (jobs.count + Self.readersAhead - 1) / Self.readersAhead
            while !rest.isEmpty {
                let own = rest.prefix(share)
                rest = rest.dropFirst(share)
                group.addTask { for job in own { await self.readAhead(job) } }
            }
        }
    }

    private static let readersAhead = 4

    private func readAhead(_ job: EndedJobs.Job) async {
        do throws(JarviceError) {
            let order = try await ledgerAnswer { [ledger] in
                try await ledger.newestOrder(Self.gatewayName, jobID: job.jobID)
            }
            guard let order else { return }
            guard await isQuiet(order) else { return ended.add(.init(jobID: job.jobID, tries: job.tries + 1)) }
            try await keepOutput(of: order, isOld: false)
        } catch {
            // Upstream's question comes anyway, and is told why.
            logger.debug(
                "JARVICE: an output is not read ahead", metadata: ["slurm": "\(job.jobID)", "why": "\(error)"])
            if error.code == .unavailable { ended.add(.init(jobID: job.jobID, tries: job.tries + 1)) }
        }
    }
}

/// Reads what jobs wrote as soon as they have ended, so that upstream's question need not wait for it.
public struct ReadAhead: Service {
    private let gateway: JarviceGateway
    private let pause: Duration

    /// Nothing is on its way: what was told is noted.
    private static let rest = Duration.seconds(60)

    /// - Parameter pause: between two looks at jobs whose processes have not ended.
    public init(gateway: JarviceGateway, pause: Duration = .seconds(1)) {
        self.gateway = gateway
        self.pause = pause
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                await gateway.readAhead()
                await gateway.ended.wait(atMost: gateway.ended.isEmpty ? Self.rest : pause)
            }
        }
    }
}
