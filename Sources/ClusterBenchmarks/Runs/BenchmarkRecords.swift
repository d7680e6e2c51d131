// SPDX-License-Identifier: GPL-3.0-or-later

/// A run: parts that were asked for at one time.
public struct BenchmarkRun: Sendable, Hashable, Codable {
    public var id: Int64
    /// Unix seconds.
    public var begunAt: Int64
    public var endedAt: Int64?
    public var isCancelled: Bool
    public var parts: [Part]

    /// A part on one hardware class: one job.
    public struct Part: Sendable, Hashable, Codable {
        public enum State: String, Sendable, Hashable, Codable {
            /// Its turn has not come.
            case planned
            /// In the ledger, or in Slurm.
            case submitted
            /// The job is over, its output not read yet.
            case ended
            /// With labels; what of them is missing is in the message.
            case done
            case failed
            /// It cannot be measured here.
            case skipped
            case cancelled

            public var isOpen: Bool { self == .planned || self == .submitted || self == .ended }
        }

        public var id: Int64
        public var part: BenchmarkPart
        public var hardware: String
        public var state: State
        /// Slurm's number.
        public var job: UInt32?
        /// Slurm's word for how it ended.
        public var jobState: String?
        public var message: String?
        public var output: String?
        /// Unix seconds.
        public var submittedAt: Int64?
        public var startedAt: Int64?
        public var endedAt: Int64?
        /// Of a part that is not over: how long the last one on the same hardware ran, in seconds.
        public var expected: Int64?
        /// Of a part that is not over, by its program's own word; nil: it has none.
        public var progress: PartProgress?
        public var labels: [String: String]
    }
}

/// What a program printed.
public struct RawResult: Sendable, Hashable, Codable {
    public var run: Int64
    public var part: BenchmarkPart
    public var hardware: String
    public var name: String
    public var content: String
}

/// The newest value of a label, and when it was measured.
public struct MeasuredLabel: Sendable, Hashable, Codable {
    public var value: String
    /// Unix seconds.
    public var measuredAt: Int64
    public var run: Int64

    public init(value: String, measuredAt: Int64, run: Int64) {
        self.value = value
        self.measuredAt = measuredAt
        self.run = run
    }
}

extension BenchmarkLabels {
    /// A value that is so much worse than the last one of the same hardware shows a broken node or link.
    static let drop = 0.2

    /// What is worse than before, for people.
    static func drops(from before: [String: String], to now: [String: String]) -> [String] {
        now.keys.sorted().compactMap { key in
            guard let old = before[key].flatMap({ decimal($0) }), let new = now[key].flatMap({ decimal($0) }), old > 0,
                new > 0
            else { return nil }
            let isWorse = key.hasSuffix(".latency.us") ? new > old * (1 + drop) : new < old * (1 - drop)
            return isWorse ? "\(key) was \(before[key] ?? ""), is \(now[key] ?? "")" : nil
        }
    }
}
