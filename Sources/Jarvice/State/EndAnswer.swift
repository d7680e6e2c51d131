// SPDX-License-Identifier: GPL-3.0-or-later

internal import JobLifecycle

/// The answer to upstream about a job that has ended.
struct EndAnswer: Sendable, Equatable {
    var code: Int
    var elapsed: String
    /// As slurmctld abbreviates it, or slurmdbd's word.
    var state: String?
    var output = ""

    /// Of a job that nobody knows (any more).
    static let unknown = EndAnswer(code: -9, elapsed: "00:00:00", state: nil)

    /// - Parameters:
    ///   - fromAccounting: slurmctld had forgotten the job when it was looked at: then the reference asks slurmdbd, whose words
    ///     are longer and whose times have days.
    init?(state: SchedulerState.Base, elapsed seconds: Int64, fromAccounting: Bool) {
        guard state.isEnd, let words = Self.words[state] else { return nil }
        code = words.code
        self.state = fromAccounting ? state.rawValue : words.short
        elapsed = fromAccounting ? Elapsed.withDays(seconds) : Elapsed.hours(seconds)
    }

    private init(code: Int, elapsed: String, state: String?) {
        self.code = code
        self.elapsed = elapsed
        self.state = state
    }

    private static let words: [SchedulerState.Base: (code: Int, short: String)] = [
        .completed: (0, "CD"), .failed: (1, "F"), .nodeFail: (1, "NF"), .outOfMemory: (1, "OOM"),
        .cancelled: (-15, "CA"), .deadline: (-15, "DL"), .preempted: (-15, "PR"), .timeout: (-9, "TO"),
        .bootFail: (-9, "BF"), .revoked: (-9, "RV"),
    ]

    var json: JSONText {
        var texts: [JSONText] = []
        if let state {
            texts = [JSONText(output), JSONText("<< termination state: \(state) -- see STDOUT for job errors >>")]
        }
        return JSONText([JSONText(code), JSONText(elapsed), JSONText(texts)])
    }
}

/// How long, as texts.
enum Elapsed {
    /// `26:03:04`: no days, two digits of hours or more.
    static func hours(_ seconds: Int64) -> String {
        let seconds = max(0, seconds)
        return "\(two(seconds / 3600)):\(two(seconds / 60 % 60)):\(two(seconds % 60))"
    }

    /// `1-02:03:04`, as sacct prints it.
    static func withDays(_ seconds: Int64) -> String {
        let seconds = max(0, seconds)
        let days = seconds / 86_400
        return (days > 0 ? "\(days)-" : "") + hours(seconds % 86_400)
    }

    private static func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
