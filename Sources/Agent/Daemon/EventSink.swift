// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import JobLifecycle
internal import NIOConcurrencyHelpers
internal import Slurm
internal import SpankBridge
internal import Support

/// Turns what the plugins say into observations and hints, and commits them.
final class EventSink: BridgeSink {
    private let ledger: Ledger
    private let registry: PluginRegistry
    private let nodeReports: NodeReports
    /// The last sequence in the ledger of each plugin process.
    private let marks: NIOLockedValueBox<[[UInt8]: UInt64]>

    init(
        ledger: Ledger, registry: PluginRegistry, nodeReports: NodeReports = NodeReports(), marks: [[UInt8]: UInt64]
    ) {
        self.ledger = ledger
        self.registry = registry
        self.nodeReports = nodeReports
        self.marks = NIOLockedValueBox(marks)
    }

    func hello(_ hello: PluginHello, from peer: BridgePeer) async {
        registry.heard(hello)
    }

    func commit(_ delivery: BridgeDelivery) async throws {
        registry.heard(delivery.events)
        registry.heard(delivery.nodes)
        let ofNodes = nodeReports.tell(delivery.nodes)
        // Nothing of a node's own word is in the ledger.
        guard !delivery.events.isEmpty || !delivery.refused.isEmpty else { return try await Self.kept(ofNodes) }
        var intake = Ledger.Intake()
        var highest: [[UInt8]: Ledger.Mark] = [:]
        for event in delivery.events {
            if !event.bootID.isEmpty {
                // A frame whose acknowledgement was lost comes again.
                let known = marks.withLockedValue { $0[event.bootID] } ?? 0
                if event.sequence <= known { continue }
                let mark = highest[event.bootID]
                highest[event.bootID] = Ledger.Mark(
                    bootID: event.bootID, sequence: max(event.sequence, mark?.sequence ?? 0),
                    dropped: max(event.dropped, mark?.dropped ?? 0))
            }
            if let observation = JobObservation(event) {
                intake.observations.append(observation)
            } else if event.waited == nil {
                // What a node says late the ledger has heard since.
                intake.hints.append(JobHint(event))
            }
        }
        intake.marks = Array(highest.values)
        intake.refused = delivery.refused.map {
            Ledger.RefusedFrame(peer: delivery.peer.description, reason: $0.reason.description, bytes: $0.bytes)
        }
        try await ledger.fold(intake)
        registry.committed(delivery.events)
        let ofJobs = nodeReports.tell(delivery.events)
        marks.withLockedValue { marks in
            for mark in highest.values { marks[mark.bootID] = max(mark.sequence, marks[mark.bootID] ?? 0) }
        }
        try await Self.kept(ofNodes)
        try await Self.kept(ofJobs)
    }

    private struct NotKept: Error, CustomStringConvertible {
        var description: String { "what a node said could not be kept" }
    }

    /// Unless it is, the node says it again.
    private static func kept(_ answer: AnswerSlot<Bool>?) async throws {
        guard let answer else { return }
        guard try await NodeReports.isKept(answer) else { throw NotKept() }
    }
}

extension JobHint {
    init(_ event: PluginEvent) {
        let reason: Reason =
            switch event.kind {
            case .jobRecord: .record
            case .jobStart, .prolog, .stepStart: .start
            case .epilog, .taskExit: .epilog
            }
        self.init(jobID: event.jobID, reason: reason, time: event.observed ?? Date.microsecondsNow)
    }
}

extension JobObservation {
    /// nil unless the event says all that a run needs to be known: then it is only a hint.
    init?(_ event: PluginEvent) {
        // slurmctld writes the record of a start before it looks whether the nodes are up: it has to be asked.
        guard event.kind != .jobStart else { return nil }
        guard event.isRich, let raw = event.state, let state = SchedulerState(JobState(rawValue: raw)),
            let submitted = event.submitTime
        else { return nil }
        var details = JobDetails()
        details.name = event.name
        details.userID = event.uid
        details.account = event.account
        details.partition = event.partition
        details.nodes = event.nodes
        details.tres = event.allocatedTRES.flatMap { TRES(numbered: $0) }?.text
        details.timeLimit = event.timeLimit
        details.adminComment = event.adminComment
        details.hetJobID = event.hetJobID
        details.hetJobOffset = event.hetJobOffset
        var key = JobKey(event.jobID)
        if let array = event.arrayJobID {
            key = JobKey(array, event.arrayTaskID.map { .task($0) } ?? .rest)
            if event.arrayTaskID == nil { details.arrayTasks = event.arrayTasks }
        }
        self.init(
            source: .plugin, time: event.observed ?? Date.microsecondsNow, key: key, jobID: event.jobID,
            submitTime: submitted, restarts: event.restartCount, state: state, details: details)
        guard state.base != .pending || state.isRequeueing else { return }
        startTime = event.startTime
        guard state.isOver else { return }
        endTime = event.endTime
        exitStatus = event.exitCode
        elapsed = Self.elapsed(
            start: event.startTime, end: event.endTime, suspended: event.suspendTime,
            before: event.runTimeBeforeSuspension ?? 0)
    }
}
