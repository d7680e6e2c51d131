// SPDX-License-Identifier: GPL-3.0-or-later

/// What Slurm's users call a job: `7`, the array task `7_3`, or the pending rest of an array, `7_[]`.
///
/// Array tasks are keyed by (array job id, task id): the last task of an array takes the array's own number, so the bare
/// number would name two things.
public struct JobKey: Sendable, Hashable, CustomStringConvertible {
    public enum Part: Sendable, Hashable {
        case whole
        case task(UInt32)
        /// The one record that stands for all tasks of an array that have not been split off yet.
        case rest
    }

    /// The job's number; of an array's parts, the array's.
    public var number: UInt32
    public var part: Part

    public init(_ number: UInt32, _ part: Part = .whole) {
        self.number = number
        self.part = part
    }

    public var description: String {
        switch part {
        case .whole: "\(number)"
        case .task(let task): "\(number)_\(task)"
        case .rest: "\(number)_[]"
        }
    }

    /// As the ledger stores `part`.
    var storedPart: Int64 {
        switch part {
        case .whole: -1
        case .rest: -2
        case .task(let task): Int64(task)
        }
    }

    init(number: UInt32, storedPart: Int64) {
        self.number = number
        switch storedPart {
        case -2: part = .rest
        case 0...Int64(UInt32.max): part = .task(UInt32(storedPart))
        default: part = .whole
        }
    }
}

/// A list of array task numbers as Slurm writes it: `1-5,9`, `0-20:4`, with or without brackets and a `%` limit.
struct ArrayTasks {
    private var ranges: [(first: UInt32, last: UInt32, step: UInt32)] = []

    /// What cannot be read is left out: the list only narrows which known tasks an array's record speaks of.
    init(_ text: String) {
        let bare = text.prefix { $0 != "%" }.filter { $0 != "[" && $0 != "]" }
        for piece in bare.split(separator: ",") {
            let stepped = piece.split(separator: ":", maxSplits: 1)
            // A piece of nothing but a colon has no part at all.
            guard let range = stepped.first else { continue }
            let ends = range.split(separator: "-", maxSplits: 1).map { UInt32($0) }
            guard let first = ends.first ?? nil, let last = ends.last ?? nil, first <= last else { continue }
            let step = stepped.count > 1 ? UInt32(stepped[1]) ?? 1 : 1
            ranges.append((first, last, max(step, 1)))
        }
    }

    func contains(_ task: UInt32) -> Bool {
        ranges.contains { $0.first <= task && task <= $0.last && (task - $0.first) % $0.step == 0 }
    }
}
