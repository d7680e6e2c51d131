// SPDX-License-Identifier: GPL-3.0-or-later

internal import NIOConcurrencyHelpers
internal import SpankBridge
internal import Support

/// What nodes say of jobs' cores and GPUs, for the one gateway that asks for it. A node keeps it until it is answered, which it
/// is once the gateway has it on disk.
final class NodeReports: Sendable {
    struct Report: Sendable, Hashable {
        /// nil: it told of itself alone, when its slurmd started.
        var jobID: UInt32?
        var node: String
        /// Milliseconds for which the node had kept it.
        var waited: Int64 = 0
        var placement: PluginPlacement
    }

    /// What was said at once, and whether it has been kept.
    struct Batch: Sendable {
        var reports: [Report]
        fileprivate var answers: [AnswerSlot<Bool>]

        func answer(_ isKept: Bool) { for one in answers { one.resume(.success(isKept)) } }
    }

    private struct State {
        var isWanted = false
        var isClosed = false
        var waiting: [(heard: ContinuousClock.Instant, reports: [Report], answer: AnswerSlot<Bool>)] = []
        /// Reports in it.
        var count = 0
    }

    /// The oldest go; their nodes say them again.
    static let limit = 2000
    /// Longer than a hook waits.
    static let patience = Duration.seconds(2)

    private let state = NIOLockedValueBox(State())
    private let wake = WakeUp()

    /// Somebody will ask.
    func want() { state.withLockedValue { $0.isWanted = true } }

    /// Nobody asks any more.
    func close() {
        let left = state.withLockedValue { state in
            state.isClosed = true
            defer { (state.waiting, state.count) = ([], 0) }
            return state.waiting
        }
        for one in left { one.answer.resume(.success(false)) }
    }

    /// - Returns: to be awaited: whether it is kept; nil: there is nothing that anybody wants.
    func tell(_ events: [PluginEvent]) -> AnswerSlot<Bool>? {
        add(
            events.compactMap { event in
                event.placement.flatMap { placement in
                    event.node.map {
                        Report(jobID: event.jobID, node: $0, waited: event.waited ?? 0, placement: placement)
                    }
                }
            })
    }

    func tell(_ nodes: [PluginNode]) -> AnswerSlot<Bool>? {
        add(
            nodes.compactMap { node in
                node.hardware.map { Report(jobID: nil, node: node.node, waited: node.waited ?? 0, placement: $0) }
            })
    }

    private func add(_ reports: [Report]) -> AnswerSlot<Bool>? {
        guard !reports.isEmpty else { return nil }
        let answer = AnswerSlot<Bool>()
        var dropped: [AnswerSlot<Bool>] = []
        let isAdded = state.withLockedValue { state in
            guard state.isWanted else { return false }
            guard !state.isClosed else {
                dropped = [answer]
                return true
            }
            state.waiting.append((.now, reports, answer))
            state.count += reports.count
            while state.count > Self.limit, state.waiting.count > 1 {
                let oldest = state.waiting.removeFirst()
                state.count -= oldest.reports.count
                dropped.append(oldest.answer)
            }
            return true
        }
        for one in dropped { one.resume(.success(false)) }
        guard isAdded else { return nil }
        wake.raise()
        return answer
    }

    /// Whether it was kept. No after that time, and when the task is cancelled: a gateway that has not begun yet holds up neither
    /// other messages nor the agent's end, and the node says it again.
    static func isKept(_ answer: AnswerSlot<Bool>, within limit: Duration = patience) async throws -> Bool {
        let timer = Task {
            try? await Task.sleep(for: limit)
            answer.resume(.success(false))
        }
        defer { timer.cancel() }
        return try await withTaskCancellationHandler {
            try await answer.value()
        } onCancel: {
            answer.resume(.success(false))
        }
    }

    /// Waits until there is something, or the task is cancelled.
    func next() async -> Batch {
        while !Task.isCancelled {
            let some = state.withLockedValue { state in
                defer { (state.waiting, state.count) = ([], 0) }
                return state.waiting
            }
            if !some.isEmpty { return Batch(reports: some.flatMap(Self.dated), answers: some.map(\.answer)) }
            await wake.wait(atMost: .seconds(60))
        }
        return Batch(reports: [], answers: [])
    }

    /// What waited here was said so much earlier: a job may have been put back since, and run on other cores.
    private static func dated(
        heard: ContinuousClock.Instant, _ reports: [Report], _: AnswerSlot<Bool>
    ) -> [Report] {
        let waited = Int64((ContinuousClock.now - heard) / .milliseconds(1))
        return reports.map { report in
            var report = report
            report.waited = report.waited.saturatingAdd(waited)
            return report
        }
    }
}
