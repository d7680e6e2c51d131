// SPDX-License-Identifier: GPL-3.0-or-later

internal import NIOConcurrencyHelpers
internal import Support

/// Hints that a job may have started, which are on their way to the disk: slurmctld can be asked about the job meanwhile.
///
/// Nothing rests on them. The plugin is answered when its hint is on the disk, and a hint that is lost here is followed from
/// there.
final class EarlyHints: Sendable {
    private struct State {
        var waiting: [JobHint] = []
        /// Of who asks; nil: nobody does, and nothing is kept.
        var wakeUp: WakeUp?
    }

    private let state = NIOLockedValueBox(State())
    /// A burst is asked about from the ledger, in few pieces.
    static let limit = 16

    /// From now on they are kept for whoever waits for this. One at a time.
    func follow(_ wakeUp: WakeUp) {
        state.withLockedValue { $0.wakeUp = wakeUp }
    }

    func add(_ hints: [JobHint]) {
        let starts = hints.filter { $0.reason == .start }
        if starts.isEmpty { return }
        let wakeUp = state.withLockedValue { state -> WakeUp? in
            guard state.wakeUp != nil, state.waiting.count + starts.count <= Self.limit else { return nil }
            state.waiting += starts
            return state.wakeUp
        }
        wakeUp?.raise()
    }

    func take() -> [JobHint] {
        state.withLockedValue { state in
            defer { state.waiting = [] }
            return state.waiting
        }
    }
}
