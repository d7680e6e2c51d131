// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import JobLifecycle
import Logging
import NIOConcurrencyHelpers
import ServiceLifecycle

@testable import Agent
@testable import AgentSettings

/// Gateways over one ledger, without Slurm.
final class GatewayHouse: Sendable {
    let ledger: Ledger
    let parts: RunningParts
    private let folder: String
    private let group: ServiceGroup

    /// - Parameter change: of each runner.
    init(
        _ modules: [any GatewayModule], _ configuration: AgentConfiguration = AgentConfiguration(),
        answers: GatewayAnswers = GatewayAnswers(clock: VirtualClock()),
        _ change: (inout GatewayRunner) -> Void = { _ in }
    ) throws {
        let folder = FileManager.default.temporaryDirectory.path + "/gateways-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let ledger = try Ledger(
            path: folder + "/ledger.sqlite", cluster: "lab",
            interests: modules.compactMap { module in
                module.interest(in: configuration).map { .init(gateway: module.name, scope: $0) }
            })
        let parts = RunningParts(configuration, modules: modules, patience: .seconds(600), answers: answers)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        group = ServiceGroup(
            modules.map { module in
                var runner = GatewayRunner(
                    module: module, configuration: configuration, folder: folder, parts: parts, ledger: ledger,
                    scheduler: NoScheduler(), logger: logger)
                change(&runner)
                return runner
            })
        (self.folder, self.ledger, self.parts) = (folder, ledger, parts)
    }

    /// Runs them until `body` is done; then they are to end.
    func run(_ body: (GatewayHouse) async throws -> Void) async throws {
        let running = Task { [group] in try await group.run() }
        do {
            try await body(self)
        } catch {
            await group.triggerGracefulShutdown()
            try? await running.value
            throw error
        }
        await group.triggerGracefulShutdown()
        try await running.value
        ledger.close()
        try FileManager.default.removeItem(atPath: folder)
    }

    /// Runs them until one of them ends all.
    func fail() async throws { try await group.run() }

    /// As if slurmctld had told of it: a job that ran and ended.
    func jobEnds(_ id: UInt32, partition: String = "main") async throws {
        var details = JobDetails()
        (details.name, details.userID, details.partition) = ("job", 1000, partition)
        try await ledger.fold(
            .init(observations: [
                JobObservation(
                    source: .controller, time: 1_000_000, key: JobKey(id), jobID: id, submitTime: 1, restarts: 0,
                    state: SchedulerState(.completed), startTime: 2, endTime: 5, elapsed: 3, exitStatus: 0,
                    details: details)
            ]))
    }

    func jobsEnd(_ ids: ClosedRange<UInt32>) async throws {
        for id in ids { try await jobEnds(id) }
    }
}

/// A gateway of a test's own.
struct ProbeModule: GatewayModule {
    let name: String
    var opens: @Sendable (GatewayContext, Probe) async throws -> OpenGateway? = { _, probe in
        OpenGateway(running: probe, consumer: probe)
    }
    var reports: @Sendable () async -> Void = {}
    let probe: Probe

    init(_ name: String, deliver: @escaping Probe.Deliver = { $0.map { _ in .delivered } }) {
        self.name = name
        probe = Probe(name, deliver)
    }

    func isConfigured(in configuration: AgentConfiguration) -> Bool { true }
    func interest(in configuration: AgentConfiguration) -> Ledger.Interest.Scope? { .everything }
    func open(_ context: GatewayContext) async throws -> OpenGateway? { try await opens(context, probe) }

    func report(_ parts: RunningParts.State, _ configuration: AgentConfiguration) async -> StatusReport {
        await reports()
        return { [name] in $0.set(.init(name: name, level: .ok, text: "fine")) }
    }
}

/// Keeps account of what it was told.
final class Probe: Gateway {
    typealias Deliver = @Sendable ([JobTransition]) async throws(GatewayUnavailable) -> [Delivery]

    let name: String
    let scope = Ledger.Interest.Scope.everything
    let batchLimit = 10
    private let answer: Deliver
    private let ends: (stream: AsyncStream<UInt32>, continuation: AsyncStream<UInt32>.Continuation)

    init(_ name: String, _ answer: @escaping Deliver) {
        (self.name, self.answer) = (name, answer)
        ends = AsyncStream.makeStream()
    }

    func deliver(_ transitions: [JobTransition]) async throws(GatewayUnavailable) -> [Delivery] {
        let answers = try await answer(transitions)
        for (one, answer) in zip(transitions, answers) where one.isFinal && answer == .delivered {
            ends.continuation.yield(one.jobID ?? 0)
        }
        return answers
    }

    /// Waits for so many ends.
    func ends(_ count: Int) async -> [UInt32] {
        var found: [UInt32] = []
        for await id in ends.stream {
            found.append(id)
            if found.count == count { break }
        }
        return found
    }
}

/// Something that never comes, or comes when a test says so, whoever is cancelled meanwhile.
final class Gate: Sendable {
    private let state = NIOLockedValueBox<(isOpen: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))

    func wait() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLockedValue { state in
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }

    var waiting: Int { state.withLockedValue { $0.waiting.count } }

    func come() {
        let waiting = state.withLockedValue { state in
            defer { state = (true, []) }
            return state.waiting
        }
        for one in waiting { one.resume() }
    }
}

private struct NoScheduler: Scheduler {
    private static let absent = SchedulerError(.unavailable, "there is no Slurm here")

    func jobs(changedSince memory: JobListMemory) async throws(SchedulerError) -> JobList? { throw Self.absent }
    func look(at jobID: UInt32) async throws(SchedulerError) -> [JobObservation] { throw Self.absent }
    func accounting(of jobIDs: [UInt32]) async throws(SchedulerError) -> [JobObservation] { throw Self.absent }
    func accounting(endedIn window: ClosedRange<Int64>) async throws(SchedulerError) -> [JobObservation] {
        throw Self.absent
    }
    func accounting(tagged tag: String, since time: Int64) async throws(SchedulerError) -> [JobObservation] {
        throw Self.absent
    }
    func submitHeld(_ request: [UInt8], tag: String) async throws(SchedulerError) -> UInt32 { throw Self.absent }
    func release(_ jobID: UInt32, adminComment: String?) async throws(SchedulerError) { throw Self.absent }
    func cancel(_ jobID: UInt32) async throws(SchedulerError) { throw Self.absent }
    func setTimeLimit(_ jobID: UInt32, minutes: UInt64) async throws(SchedulerError) { throw Self.absent }
    func setTag(_ tag: String, of jobID: UInt32, beside adminComment: String?) async throws(SchedulerError) {
        throw Self.absent
    }
    func settle() async throws(SchedulerError) { throw Self.absent }
    func jobs(of request: [UInt8], tag: String) async throws(SchedulerError) -> [JobObservation] { throw Self.absent }
    func timing() async throws(SchedulerError) -> SchedulerTiming { throw Self.absent }
}
