// SPDX-License-Identifier: GPL-3.0-or-later

internal import JobLifecycle
internal import Logging
internal import Support

/// One job's next step.
extension BackendSender {
    typealias Entry = (run: CockpitRun, row: BackendRow, nextAt: Int64)

    /// - Returns: whether to look at the job again at once.
    func step(_ id: Int64) async throws(CockpitError) -> Bool {
        guard pauseLeft == 0 else { return false }
        let lane = try await store.lane(id, at: name)
        let plan = LanePlan(
            policy: settings.requeue, runs: lane.runs.map { ($0.run, $0.row) }, isClosed: lane.isClosed)
        guard let step = plan.next else {
            try await store.settle(id, at: name, as: lane.runs.map { ($0.run.id, $0.run.sequence) })
            return false
        }
        guard let entry = lane.runs.first(where: { $0.run.id == step.run }) else { return false }
        guard entry.nextAt <= now() else {
            try await store.delay(id, at: name, until: entry.nextAt)
            return false
        }
        switch step {
        case .skip(_, let reason): return try await skip(entry, reason)
        case .capture: return try await capture(entry)
        case .start: return try await start(entry, plan)
        case .stop(_, let end, let state): return try await stop(entry, end, state)
        case .delete:
            // It cannot be taken away before it has arrived.
            guard entry.row.confirmAt == nil else {
                try await store.delay(id, at: name, until: now() + 1000)
                return false
            }
            return try await delete(entry)
        }
    }

    private func skip(_ entry: Entry, _ reason: String) async throws(CockpitError) -> Bool {
        var row = entry.row
        row.phase = .skipped
        row.reason = reason
        logger.info("run is not told", metadata: metadata(entry.run, reason))
        try await store.save(.init(run: entry.run.id, row: row), at: name)
        return true
    }

    private func capture(_ entry: Entry) async throws(CockpitError) -> Bool {
        let run = entry.run
        let answer: JobCapture?
        do throws(CockpitError) {
            answer = try await cluster.capture(
                jobID: run.jobID, submitTime: run.submitTime, nodes: run.details.nodes,
                withScript: settings.withScript)
        } catch {
            // Its word on cores, GPUs and nodes is worth waiting for.
            try await wait(entry, "Slurm is asked again: \(error)")
            return false
        }
        try await store.capture(run.id, answer)
        return true
    }

    private func start(_ entry: Entry, _ plan: LanePlan) async throws(CockpitError) -> Bool {
        guard let release else { return false }
        var run = entry.run
        do throws(CockpitError) {
            try await complete(&run)
        } catch {
            try await wait(entry, "the name service does not answer: \(error)")
            return false
        }
        let nodes: [String]
        do throws(CockpitError) {
            nodes = try await allNodes(of: run)
        } catch {
            try await wait(entry, "its nodes are not known yet: \(error)")
            return false
        }
        if let reason = filter.reason(run, nodes: nodes) { return try await skip(entry, reason) }
        guard !nodes.isEmpty else { return try await park(entry, "Slurm does not say on which nodes it ran") }
        guard !run.user.isEmpty else { return try await park(entry, "Slurm does not say whose job it is") }
        let words = try await store.words(of: run, nodes: nodes)
        let agreed: NodeWords
        do throws(CockpitError) {
            agreed = try await agreement(words)
        } catch {
            try await wait(entry, "Slurm does not tell its nodes: \(error)")
            return false
        }
        let placement = await placement(run, nodes, agreed)
        if waits(run, nodes, words, for: placement) {
            try await store.delay(run.lane, at: name, until: now() + 100)
            return false
        }
        let message = startMessage(run, placement, release)
        if let events {
            return try await publish(
                entry, message,
                stop: plan.end(afterStartOf: run.id).map { stopMessage(run, $0.end, $0.state, release) },
                by: events)
        }
        guard
            let (meaning, text) = try await exchange(
                entry, .start, release, { () async throws(CockpitError) in try await client.start(message) })
        else { return false }
        switch meaning {
        case .exists:
            let isOurs: Bool
            do throws(CockpitError) {
                isOurs = try await client.has(jobID: run.jobID, start: run.startTime)
            } catch {
                try await wait(entry, "it has a row of this job id, and does not say which: \(error)")
                return false
            }
            guard isOurs else {
                return try await park(
                    entry, "the backend has another row of this job id, started less than a day apart (\(text))")
            }
            return try await started(entry)
        case .done: return try await started(entry)
        case let other: return try await finish(entry, other)
        }
    }

    private func started(_ entry: Entry) async throws(CockpitError) -> Bool {
        var row = entry.row
        row.phase = .running
        row.attempts = 0
        row.reason = nil
        row.isUncertain = false
        row.startedAt = now() / 1000
        counters.starts += 1
        try await store.save(.init(run: entry.run.id, row: row), at: name)
        return true
    }

    private func stop(_ entry: Entry, _ end: Int64, _ state: EndState) async throws(CockpitError) -> Bool {
        guard let release else { return false }
        let run = entry.run
        let message = stopMessage(run, end, state, release)
        if let events { return try await publish(entry, await knownStart(run), stop: message, by: events) }
        guard
            let (meaning, text) = try await exchange(
                entry, .stop, release, { () async throws(CockpitError) in try await client.stop(message) })
        else { return false }
        switch meaning {
        case .done:
            var row = entry.row
            row.phase = .stopped
            row.attempts = 0
            row.reason = nil
            row.isUncertain = false
            counters.stops += 1
            try await store.save(.init(run: run.id, row: row), at: name)
            return true
        case .startMissing:
            var row = entry.row
            row.phase = .none
            row.attempts += 1
            row.reason = "the backend had lost its start"
            logger.warning("start of a run is sent again: the backend does not have it", metadata: metadata(run, text))
            let wait = row.attempts > 1 ? Int64(Self.jobRetry.delay(attempt: row.attempts) / .milliseconds(1)) : 0
            try await store.save(.init(run: run.id, row: row, nextAt: wait > 0 ? now() + wait : 0), at: name)
            return wait == 0
        case let other: return try await finish(entry, other)
        }
    }

    private func delete(_ entry: Entry) async throws(CockpitError) -> Bool {
        guard let release else { return false }
        let run = entry.run
        let message = DeleteMessage(jobId: Int64(run.jobID), cluster: settings.cluster, startTime: run.startTime)
        guard
            let (meaning, _) = try await exchange(
                entry, .delete, release, { () async throws(CockpitError) in try await client.delete(message) })
        else { return false }
        switch meaning {
        case .done:
            var row = entry.row
            // A run that goes on is started again.
            row.phase = run.isOver ? .deleted : .none
            row.reason =
                run.isOver
                ? run.ending == .undone ? "Slurm took this run back" : "replaced by a later run of the job"
                : "it goes on: Slurm took its end back"
            try await store.save(.init(run: run.id, row: row), at: name)
            return true
        case let other: return try await finish(entry, other)
        }
    }

    func startMessage(_ run: CockpitRun, _ placement: JobPlacement, _ release: BackendRelease) -> StartMessage {
        StartMessage(
            run, placement: placement, metaData: filter.metaData.of(run, placementSource: placement.source),
            // By NATS nobody asks for them, and only somebody can give tags.
            tags: events == nil ? settings.tags : [], cluster: settings.cluster, release: release)
    }

    private func stopMessage(
        _ run: CockpitRun, _ end: Int64, _ state: EndState, _ release: BackendRelease
    ) -> StopMessage {
        StopMessage(
            jobId: Int64(run.jobID), cluster: settings.cluster, startTime: run.startTime,
            jobState: release.word(for: state), stopTime: release.stopTime(start: run.startTime, end: end))
    }

    // MARK: answers

    /// nil: none came. Whether the request arrived is not known, so it is sent again.
    private func exchange(
        _ entry: Entry, _ call: BackendCall, _ release: BackendRelease,
        _ send: () async throws(CockpitError) -> BackendAnswer
    ) async throws(CockpitError) -> (AnswerMeaning, String)? {
        do throws(CockpitError) {
            let answer = try await send()
            let meaning = AnswerTable.meaning(of: answer, to: call, release: release)
            if case .backendWaits = meaning {} else { succeed() }
            return (meaning, answer.text)
        } catch {
            try await noteLost(entry, error)
            return nil
        }
    }

    /// Whether it arrived is not known: it is sent again.
    func noteLost(_ entry: Entry, _ error: CockpitError) async throws(CockpitError) {
        guard !Task.isCancelled else { return }
        var row = entry.row
        row.isUncertain = true
        row.attempts += 1
        row.reason = error.description
        fail(error.description)
        let pause = Int64(Self.backendRetry.delay(attempt: row.attempts - 1) / .milliseconds(1))
        try await store.save(
            .init(run: entry.run.id, row: row, nextAt: now() + pause), at: name, delaying: entry.run.lane)
    }

    private func finish(_ entry: Entry, _ meaning: AnswerMeaning) async throws(CockpitError) -> Bool {
        switch meaning {
        case .otherRelease:
            do throws(CockpitError) {
                if try await probeAgain() { return failures == 0 }
            } catch {
                guard error.code != .storage else { throw error }
                fail(error.description)
                return false
            }
            return try await park(
                entry, "the backend refuses what its release (\(release?.rawValue ?? "?")) should know")
        case .wait(let reason):
            try await wait(entry, reason)
            return false
        case .backendWaits(let reason):
            fail(reason)
            return false
        case .refused(let reason):
            return try await park(entry, reason)
        case .done, .exists, .startMissing:
            return false
        }
    }

    private func wait(_ entry: Entry, _ reason: String) async throws(CockpitError) {
        var row = entry.row
        let pause = Int64(Self.jobRetry.delay(attempt: row.attempts) / .milliseconds(1))
        row.attempts += 1
        row.reason = reason
        logger.info("run will be told later", metadata: metadata(entry.run, reason))
        try await store.save(
            .init(run: entry.run.id, row: row, nextAt: now() + pause), at: name, delaying: entry.run.lane)
    }

    /// It holds up nobody: what comes after it goes on.
    func park(_ entry: Entry, _ reason: String) async throws(CockpitError) -> Bool {
        var row = entry.row
        row.phase = .parked
        row.reason = reason
        row.confirmAt = nil
        counters.refused += 1
        logger.error(
            "run is refused for good: `slurm-grid-agent clustercockpit sync --job` tries it again",
            metadata: metadata(entry.run, reason))
        try await store.save(.init(run: entry.run.id, row: row), at: name)
        return true
    }

    // MARK: what is told

    /// slurmctld tells a user's number, and the name only to those who made it look that up.
    func complete(_ run: inout CockpitRun) async throws(CockpitError) {
        guard run.capture?.userName == nil, run.details.userName == nil, let userID = run.details.userID else { return }
        run.details.userName = try await cluster.login(of: userID)
    }

    /// slurmdbd may hear of a run later than everybody else; not this many seconds after it is over.
    private static let accountingPatience: Int64 = 3600

    /// All nodes of a run, also where nobody who told of it named all: late rather than a part of them. Empty: nobody can tell.
    func allNodes(of run: CockpitRun) async throws(CockpitError) -> [String] {
        let named = nodes(of: run)
        guard named.isEmpty || named.count < run.nodeCount ?? 0 else { return named }
        let all = try await cluster.accountedNodes(jobID: run.jobID, submitTime: run.submitTime)
        if let all, all.count >= named.count { return all }
        if let end = run.endTime, now() / 1000 - end > Self.accountingPatience { return [] }
        throw CockpitError(.incomplete, "slurmdbd does not know it yet")
    }

    func nodes(of run: CockpitRun) -> [String] {
        let held = run.capture?.nodes.map(\.name) ?? []
        // Of a job that ends slurmctld names only the nodes that are not clean yet.
        let known = run.details.nodes.flatMap { cluster.expand($0) } ?? []
        return held.count < known.count ? known : held
    }

    func metadata(_ run: CockpitRun, _ reason: String) -> Logger.Metadata {
        ["backend": "\(name)", "slurm": "\(run.job)", "start": "\(run.startTime)", "why": "\(reason)"]
    }
}

extension LanePlan.Step {
    var run: Int64 {
        switch self {
        case .skip(let run, _), .capture(let run), .start(let run), .stop(let run, _, _), .delete(let run): run
        }
    }
}
