// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import JobLifecycle

/// A line of `slurm-grid-agent events --json`.
struct EventLine: Codable, Sendable {
    struct Observation: Codable, Sendable {
        var source: JobObservation.Source
        /// Unix microseconds.
        var timeUs: Int64
        var job: String
        var jobID: UInt32
        var submitTime: Int64
        var restarts: UInt32?
        var state: SchedulerState.Base
        var completing: Bool
        var requeueing: Bool

        enum CodingKeys: String, CodingKey {
            case source
            case timeUs = "time_us"
            case job
            case jobID = "job_id"
            case submitTime = "submit_time"
            case restarts, state, completing, requeueing
        }
    }

    struct Hint: Codable, Sendable {
        var jobID: UInt32
        var reason: JobHint.Reason
        var timeUs: Int64

        enum CodingKeys: String, CodingKey {
            case jobID = "job_id"
            case reason
            case timeUs = "time_us"
        }
    }

    var transition: JobTransition?
    var observation: Observation?
    var hint: Hint?

    init(_ transition: JobTransition) {
        self.transition = transition
    }

    init(_ seen: JobObservation) {
        observation = Observation(
            source: seen.source, timeUs: seen.time, job: seen.key.description, jobID: seen.jobID,
            submitTime: seen.submitTime, restarts: seen.restarts, state: seen.state.base,
            completing: seen.state.isCompleting, requeueing: seen.state.isRequeueing)
    }

    init(_ hint: JobHint) {
        self.hint = Hint(jobID: hint.jobID, reason: hint.reason, timeUs: hint.time)
    }

    var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }
    }
}
