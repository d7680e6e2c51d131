// SPDX-License-Identifier: GPL-3.0-or-later

internal import Logging
internal import Support

/// What the comparison of a backend's running rows with the ledger found.
public struct CockpitComparison: Codable, Sendable, Hashable {
    public struct Item: Codable, Sendable, Hashable {
        public enum Action: String, Codable, Sendable, Hashable {
            case start, stop, unknown
        }

        public var action: Action
        public var slurmJob: Int64
        public var start: Int64
        public var reason: String
    }

    public var backend: String
    /// Rows that run there.
    public var rows = 0
    public var items: [Item] = []
    public var isDryRun = false
    /// Why it could not be compared.
    public var problem: String?
}

/// Which way `sync` works.
public enum SyncDirection: String, Codable, Sendable, Hashable, CaseIterable {
    case start, stop, both
}

extension BackendSender {
    /// Starts that were acknowledged this long ago are in the lists of every release.
    static let graceSeconds: Int64 = 600

    func compareLoop() async {
        while !Task.isCancelled {
            await recall()
            let seconds = now() / 1000
            let isDue = comparedAt.map {
                $0 > seconds || seconds - $0 >= Int64(settings.compareInterval / .seconds(1))
                    || hadErrors && seconds - $0 >= 60
            }
            if isDue ?? true, pauseLeft == 0, await isKnown() {
                let report = await compare(dryRun: false)
                if report.problem == nil { hadErrors = false }
            }
            if Task.isCancelled { return }
            await compareWake.wait(atMost: comparedAt == nil ? .seconds(5) : .seconds(60))
        }
    }

    /// - Parameters:
    ///   - jobID: only this one.
    ///   - limit: at most so many rows are changed.
    func compare(
        dryRun: Bool, direction: SyncDirection = .both, jobID: UInt32? = nil, limit: Int = .max
    ) async -> CockpitComparison {
        var report = CockpitComparison(backend: name, isDryRun: dryRun)
        guard await isKnown() else {
            report.problem = problem ?? "the backend cannot be asked now"
            return report
        }
        do throws(CockpitError) {
            var listed = try await client.runningJobs()
            succeed()
            report.rows = listed.count
            if let jobID { listed.removeAll { $0.jobId != Int64(jobID) } }
            let known = try await store.known(listed, at: name)
            if direction != .start {
                try await stopEnded(listed, known, limit, &report)
                try await adopt(listed.filter { known[$0] == nil }, limit, &report)
            }
            if direction != .stop { try await startMissing(listed, jobID, limit, &report) }
            if !dryRun { try await noteCompared() }
        } catch {
            report.problem = error.description
            if error.code == .unavailable { hadErrors = true }
        }
        if !dryRun { wake.raise() }
        return report
    }

    private func noteCompared() async throws(CockpitError) {
        comparedAt = now() / 1000
        var record = try await store.backend(name) ?? .init(cluster: settings.cluster)
        record.comparedAt = comparedAt
        try await store.save(name, record)
    }

    /// It runs there, and is over here.
    private func stopEnded(
        _ listed: [JobListPage.Row], _ known: [JobListPage.Row: CockpitStore.Known], _ limit: Int,
        _ report: inout CockpitComparison
    ) async throws(CockpitError) {
        for row in listed {
            guard let run = known[row], !inFlight.contains(run.lane), report.items.count < limit else { continue }
            switch run.phase {
            case .stopped, .skipped:
                guard run.isOver else { continue }
                report.items.append(
                    .init(action: .stop, slurmJob: row.jobId, start: row.startTime, reason: "it has ended in Slurm"))
            case .running where run.isOver && run.isOpen:
                report.items.append(
                    .init(action: .stop, slurmJob: row.jobId, start: row.startTime, reason: "it has ended in Slurm"))
                continue
            case .none, .parked: break
            case .running, .deleted: continue
            }
            if !report.isDryRun { try await store.reset(run: run.run, at: name, to: .running) }
        }
    }

    /// It runs here, and is not among what runs there, long after its start was acknowledged.
    private func startMissing(
        _ listed: [JobListPage.Row], _ jobID: UInt32?, _ limit: Int, _ report: inout CockpitComparison
    ) async throws(CockpitError) {
        struct Key: Hashable {
            var job: Int64
            var start: Int64
        }
        let there = Set(listed.map { Key(job: $0.jobId, start: $0.startTime) })
        for run in try await store.open(at: name) {
            guard !inFlight.contains(run.lane), report.items.count < limit else { continue }
            if let jobID, run.jobID != jobID { continue }
            guard !there.contains(Key(job: Int64(run.jobID), start: run.startTime)) else { continue }
            switch run.phase {
            case .running:
                guard let started = run.startedAt, now() / 1000 - started >= Self.graceSeconds else { continue }
                report.items.append(
                    .init(
                        action: .start, slurmJob: Int64(run.jobID), start: run.startTime,
                        reason: "the backend does not have it"))
                if !report.isDryRun { try await store.reset(run: run.run, at: name, to: .none) }
            case .none:
                report.items.append(
                    .init(
                        action: .start, slurmJob: Int64(run.jobID), start: run.startTime, reason: "it was not told yet")
                )
            case .stopped, .deleted, .skipped, .parked: continue
            }
        }
    }

    /// Rows that an earlier feeder started: Slurm knows how their runs ended.
    private func adopt(
        _ rows: [JobListPage.Row], _ limit: Int, _ report: inout CockpitComparison
    ) async throws(CockpitError) {
        for first in stride(from: 0, to: rows.count, by: 100) {
            let some = rows[first..<min(first + 100, rows.count)]
            let ids = some.compactMap { UInt32(exactly: $0.jobId) }
            let past = try await cluster.history(of: ids)
            for row in some where report.items.count < limit {
                guard let found = past.first(where: { Int64($0.jobID) == row.jobId && $0.startTime == row.startTime })
                else {
                    try await takeUnknown(row, &report)
                    continue
                }
                var run = CockpitRun(
                    jobID: found.jobID, submitTime: found.submitTime, startTime: found.startTime, job: found.job)
                run.isCaptured = true
                if let end = found.endTime {
                    run.ending = .final
                    run.endTime = max(end, found.startTime)
                    run.endState = found.endState ?? .failed
                    report.items.append(
                        .init(
                            action: .stop, slurmJob: row.jobId, start: row.startTime,
                            reason: "another feeder started it; it has ended in Slurm"))
                }
                if !report.isDryRun {
                    try await store.adopt(run, backend: name, backends: settings.backends.map(\.name))
                }
            }
        }
    }

    private func takeUnknown(
        _ row: JobListPage.Row, _ report: inout CockpitComparison
    ) async throws(CockpitError) {
        let seconds = now() / 1000
        guard today() - row.startTime >= Int64(settings.unknownAfter / .seconds(1)),
            let jobID = UInt32(exactly: row.jobId)
        else { return }
        report.items.append(
            .init(
                action: settings.stopsUnknown ? .stop : .unknown, slurmJob: row.jobId, start: row.startTime,
                reason: "Slurm does not know it"
                    + (settings.stopsUnknown ? "" : "; clustercockpit.stop-unknown would stop it")))
        guard !report.isDryRun else { return }
        logger.warning(
            settings.stopsUnknown
                ? "row of a job that Slurm does not know is stopped"
                : "row of a job that Slurm does not know runs at a backend",
            metadata: ["backend": "\(name)", "slurm": "\(row.jobId)", "start": "\(row.startTime)"])
        guard settings.stopsUnknown else { return }
        var run = CockpitRun(
            jobID: jobID, submitTime: row.startTime, startTime: row.startTime, job: "\(jobID)")
        run.isCaptured = true
        run.ending = .vanished
        run.endTime = seconds
        run.endState = .failed
        try await store.adopt(run, backend: name, backends: settings.backends.map(\.name))
    }

    // MARK: states of nodes

    func nodeLoop() async {
        guard settings.tellsNodeStates else { return }
        while !Task.isCancelled {
            if release?.hasNodeStates == true, pauseLeft == 0 { await tellNodes() }
            try? await Task.sleep(for: release == nil ? .seconds(2) : settings.nodeStateInterval)
        }
    }

    func tellNodes() async {
        do throws(CockpitError) {
            let nodes = try await cluster.nodes()
            guard !nodes.isEmpty else { return }
            let answer = try await client.nodeStates(
                NodeStatesMessage(nodes, cluster: settings.cluster, topology: topology))
            guard answer.status != 200 else { return }
            logger.info(
                "the backend does not take states of nodes",
                metadata: ["backend": "\(name)", "why": "HTTP \(answer.status) \(answer.text)"])
        } catch {
            logger.info("states of nodes are not told", metadata: ["backend": "\(name)", "why": "\(error)"])
        }
    }
}
