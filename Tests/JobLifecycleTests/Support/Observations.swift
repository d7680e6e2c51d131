// SPDX-License-Identifier: GPL-3.0-or-later

@testable import JobLifecycle

extension JobObservation {
    /// As slurmctld gives a job whose nodes are not ready.
    func configuring(poweringUp: Bool = true) -> JobObservation {
        var seen = self
        seen.state.isConfiguring = true
        seen.state.isPoweringUp = poweringUp
        return seen
    }

    func at(_ time: Int64) -> JobObservation {
        var seen = self
        seen.time = time
        return seen
    }

    /// As slurmctld and its plugin give a job that another cluster of the federation has: waiting or running there, or
    /// ended so. As slurmdbd does: without any other state.
    static func revoked(
        _ base: SchedulerState.Base = .pending, _ source: Source = .controller, end: Int64? = nil,
        at time: Int64 = 2000,
        id: UInt32 = 7
    ) -> JobObservation {
        var one = seen(
            source == .accounting ? .pending : base, source, key: JobKey(id), restarts: source == .accounting ? nil : 0,
            revoked: true, start: end, end: end, at: time)
        one.endTime = end
        return one
    }
}

extension Array {
    /// All orders of a few.
    var permutations: [[Element]] {
        guard count > 1 else { return [self] }
        return indices.flatMap { index in
            var rest = self
            let first = rest.remove(at: index)
            return rest.permutations.map { [first] + $0 }
        }
    }
}
