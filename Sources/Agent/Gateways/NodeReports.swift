// SPDX-License-Identifier: GPL-3.0-or-later

internal import NIOConcurrencyHelpers
internal import SpankBridge
internal import Support

/// What nodes say of jobs' cores and GPUs, for the one gateway that asks for it. Nobody who tells waits for whoever asks; it is
/// said once, so some of it is kept until then.
final class NodeReports: Sendable {
    struct Report: Sendable, Hashable {
        /// nil: it told of itself alone, when its slurmd started.
        var jobID: UInt32?
        var node: String
        var placement: PluginPlacement
    }

    private struct State {
        var isWanted = false
        var waiting: [Report] = []
    }

    /// The oldest go.
    static let limit = 2000

    private let state = NIOLockedValueBox(State())
    private let wake = WakeUp()

    /// Somebody will ask.
    func want() { state.withLockedValue { $0.isWanted = true } }

    func tell(_ events: [PluginEvent]) {
        let reports = events.compactMap { event in
            event.placement.flatMap { placement in
                event.node.map { Report(jobID: event.jobID, node: $0, placement: placement) }
            }
        }
        add(reports)
    }

    func tell(_ nodes: [PluginNode]) {
        add(
            nodes.compactMap { node in
                node.hardware.map { Report(jobID: nil, node: node.node, placement: $0) }
            })
    }

    private func add(_ reports: [Report]) {
        guard !reports.isEmpty else { return }
        state.withLockedValue { state in
            guard state.isWanted else { return }
            state.waiting += reports
            if state.waiting.count > Self.limit { state.waiting.removeFirst(state.waiting.count - Self.limit) }
        }
        wake.raise()
    }

    /// Waits until there is something, or the task is cancelled.
    func next() async -> [Report] {
        while !Task.isCancelled {
            let some = state.withLockedValue { state in
                defer { state.waiting = [] }
                return state.waiting
            }
            if !some.isEmpty { return some }
            await wake.wait(atMost: .seconds(60))
        }
        return []
    }
}
