// SPDX-License-Identifier: GPL-3.0-or-later

/// What is known of a run at one backend.
struct BackendRow: Sendable, Hashable {
    enum Phase: String, Sendable, Hashable, Codable, CaseIterable {
        /// Not told, as far as is known.
        case none
        case running
        case stopped
        /// Taken away, to make room for a later run of the same job.
        case deleted
        /// Not to be told, and why.
        case skipped
        /// Refused for good, until somebody asks for another try.
        case parked
    }

    var phase = Phase.none
    /// Tries of the present step that failed.
    var attempts = 0
    var reason: String?
    /// When the start was acknowledged, Unix seconds.
    var startedAt: Int64?
    /// A start may have arrived: the answer was lost.
    var isUncertain = false
    /// When to look up whether the backend has what was published to it, Unix ms; nil: nothing is in doubt.
    var confirmAt: Int64?
    /// How often it was published in a row without being found there.
    var published = 0
}

/// How runs of a job after its first one are stored, which no release takes within a day.
public enum RequeueStorage: String, Sendable, Hashable, Codable, CaseIterable {
    /// The row of the former run is deleted when the next one starts.
    case replace
    /// The first run is kept, later ones are not stored.
    case first
    /// One row, from the first start to the last end.
    case lastEnd = "last-end"
}

/// What is to be done next for the runs of one job at one backend. No I/O.
struct LanePlan: Sendable {
    /// Seconds within which no release takes a second row of a job id.
    static let day: Int64 = 86_400

    enum Step: Sendable, Hashable {
        /// A row that was never told of: skip it, and why.
        case skip(run: Int64, reason: String)
        /// Ask Slurm first.
        case capture(run: Int64)
        case start(run: Int64)
        case stop(run: Int64, end: Int64, state: EndState)
        case delete(run: Int64)
    }

    var policy: RequeueStorage
    /// All of one job, the earliest first, each with what is known of it at the backend.
    var runs: [(run: CockpitRun, row: BackendRow)]
    /// The job is over without a run of its own that says so (put back, then cancelled in the queue).
    var isClosed = false

    /// nil: nothing, until more is known.
    var next: Step? {
        // They would stand in the way of the run that goes on.
        for (run, row) in runs where run.ending == .undone {
            switch row.phase {
            case .running, .stopped: return .delete(run: run.id)
            case .none: return .skip(run: run.id, reason: "Slurm took this run back: it never was")
            case .deleted, .skipped, .parked: break
            }
        }
        for index in runs.indices where runs[index].run.ending != .undone {
            // Parked ones hold up nobody, not even the next run of their job.
            if let step = step(index) { return step }
        }
        return nil
    }

    private func step(_ index: Int) -> Step? {
        let (run, row) = runs[index]
        switch row.phase {
        // Told as over, and it goes on: no release opens a row again.
        case .stopped where !run.isOver: return .delete(run: run.id)
        case .stopped, .deleted, .skipped, .parked: return nil
        case .running: return stop(index)
        case .none: break
        }
        if runs[index...].contains(where: {
            [.running, .stopped].contains($0.row.phase) && $0.run.startTime - run.startTime < Self.day
        }) {
            return .skip(run: run.id, reason: "a later run of the job is stored")
        }
        guard run.isCaptured else { return .capture(run: run.id) }
        let former = runs[..<index].filter {
            [.running, .stopped].contains($0.row.phase) && run.startTime - $0.run.startTime < Self.day
        }
        guard !former.isEmpty else { return .start(run: run.id) }
        switch policy {
        case .first:
            return .skip(
                run: run.id, reason: "the first run of the job is stored, a day has not passed (requeue: first)")
        case .lastEnd:
            return .skip(run: run.id, reason: "it is a part of the first run's row (requeue: last-end)")
        case .replace:
            return former.first.map { .delete(run: $0.run.id) } ?? .start(run: run.id)
        }
    }

    private func stop(_ index: Int) -> Step? {
        let (run, _) = runs[index]
        guard policy == .lastEnd else {
            guard run.isOver, let end = run.endTime, let state = run.endState else { return nil }
            return .stop(run: run.id, end: end, state: state)
        }
        // Every later run that this row stands for.
        let tail = runs[index...].filter {
            $0.run.id == run.id || $0.row.phase == .skipped && $0.run.ending != .undone
        }
        guard let last = tail.last?.run, last.isOver, let end = last.endTime, let state = last.endState,
            last.ending != .requeued || isClosed
        else { return nil }
        // What waits to become a part of it comes first.
        guard !runs[index...].contains(where: { $0.row.phase == .none }) else { return nil }
        return .stop(run: run.id, end: end, state: isClosed && last.ending == .requeued ? .cancelled : state)
    }
}
