// SPDX-License-Identifier: GPL-3.0-or-later

internal import Logging
internal import Support

/// Jobs by NATS. Nobody answers, nothing is delivered twice, and of two messages the later one may be handled first. So a stop
/// always comes with its start before it in the same message, which a backend that has the start already refuses without harm,
/// and what was published is in doubt until the backend's list has it.
extension BackendSender {
    /// Unix ms after a stop; it does not wait in the backend's cache.
    static let stopGrace: Int64 = 15_000
    /// So often a run is published before it is given up.
    static let publishTries = 5
    /// How often what is in doubt is looked at, at most.
    private static let confirmPause: Int64 = 1000

    func publish(
        _ entry: Entry, _ start: StartMessage?, stop: StopMessage?, by events: any EventPublisher
    ) async throws(CockpitError) -> Bool {
        var message: [UInt8] = []
        let time = now() * 1_000_000
        if let start { message += try JobEventLines.start(start, time: time) }
        if let stop { message += try JobEventLines.stop(stop, time: time) }
        do throws(CockpitError) {
            try await events.publish(message)
        } catch {
            if error.code == .refused { return try await park(entry, error.description) }
            try await noteLost(entry, error)
            return false
        }
        succeed()
        var row = entry.row
        row.phase = stop == nil ? .running : .stopped
        row.isUncertain = false
        row.reason = nil
        row.startedAt = row.startedAt ?? now() / 1000
        let grace = Int64(settings.confirmAfter / .milliseconds(1))
        row.attempts = 0
        // A start that was still in doubt: its stop begins again, and has the start with it.
        if row.confirmAt != nil { row.published = 0 }
        row.confirmAt = now() + (stop == nil ? grace : min(grace, Self.stopGrace)) << Int64(min(row.published, 5))
        row.published += 1
        if entry.row.phase == .none { counters.starts += 1 }
        if stop != nil { counters.stops += 1 }
        try await store.save(.init(run: entry.run.id, row: row), at: name)
        confirmWake.raise()
        return true
    }

    /// The start of a run that is over, to go before its stop; nil: what is in it is not known now, and it was sent before.
    func knownStart(_ known: CockpitRun) async -> StartMessage? {
        guard let release else { return nil }
        var run = known
        do throws(CockpitError) {
            try await complete(&run)
            let nodes = try await allNodes(of: run)
            guard !nodes.isEmpty, !run.user.isEmpty else { return nil }
            let words = try await agreement(store.words(of: run, nodes: nodes))
            return startMessage(run, await placement(run, nodes, words), release)
        } catch {
            return nil
        }
    }

    // MARK: whether it arrived

    func confirmLoop() async {
        guard events != nil else { return }
        while !Task.isCancelled {
            let pause = await confirm()
            if Task.isCancelled { return }
            await confirmWake.wait(atMost: .milliseconds(pause))
            // However fast messages go out.
            try? await Task.sleep(for: .milliseconds(Self.confirmPause))
        }
    }

    /// Looks at what is due.
    /// - Returns: after how many milliseconds to look again.
    func confirm() async -> Int64 {
        guard pauseLeft == 0 else { return pauseLeft }
        do throws(CockpitError) {
            let due = try await store.unconfirmed(name, before: now(), limit: 100)
            for entry in due where !inFlight.contains(entry.lane) && !Task.isCancelled {
                // Nobody takes its next step meanwhile.
                inFlight.insert(entry.lane)
                defer { inFlight.remove(entry.lane) }
                try await confirm(entry)
            }
            if !due.isEmpty { wake.raise() }
            return due.count == 100 ? 0 : 5000
        } catch {
            switch error.code {
            case .storage: note(error)
            default: if !Task.isCancelled { fail(error.description) }
            }
            return 5000
        }
    }

    private func confirm(_ entry: CockpitStore.Unconfirmed) async throws(CockpitError) {
        let row = try await client.row(jobID: entry.jobID, start: entry.startTime)
        let isStopped = entry.phase == .stopped
        if let row, !isStopped || row.jobState != "running" {
            try await store.confirm(entry, at: name)
            return
        }
        // Its administrator may have changed the way.
        isWayKnown = false
        guard entry.published < Self.publishTries else {
            counters.refused += 1
            let reason = "published \(Self.publishTries) times, and the backend does not have it: its log says why"
            logger.error(
                "run is refused for good: `slurm-grid-agent clustercockpit sync --job` tries it again",
                metadata: [
                    "backend": "\(name)", "slurm": "\(entry.jobID)", "start": "\(entry.startTime)", "why": "\(reason)",
                ])
            try await store.again(entry, at: name, from: .parked, reason: reason)
            return
        }
        try await store.again(
            entry, at: name, from: row == nil ? .none : .running, reason: "the backend has not taken what was published"
        )
    }

    /// Whether it takes jobs as configured; looked up at first, and when it had not taken one.
    func isWayRight() async -> Bool {
        guard events != nil, !isWayKnown else { return true }
        do throws(CockpitError) {
            guard try await client.takesJobsByHTTP() else {
                isWayKnown = true
                return true
            }
            fail(Self.wrongWay)
        } catch {
            fail(error.description)
        }
        return false
    }

    static let wrongWay =
        "it takes jobs by HTTP: set main.api-subjects there, or take the backend out of clustercockpit.nats"
}

extension LanePlan {
    /// How a run ends right after its start was told; nil: it goes on, or somebody else's end counts.
    func end(afterStartOf id: Int64) -> (end: Int64, state: EndState)? {
        var later = self
        guard let index = later.runs.firstIndex(where: { $0.run.id == id }) else { return nil }
        later.runs[index].row.phase = .running
        guard case .stop(let run, let end, let state)? = later.next, run == id else { return nil }
        return (end, state)
    }
}
