// SPDX-License-Identifier: GPL-3.0-or-later

/// How a user names a job: `123`, an array task `123_4`, or a component of a heterogeneous job `123+1`.
public struct JobID: Sendable, Hashable, CustomStringConvertible {
    /// Which part of the job is meant.
    public enum Part: Sendable, Hashable {
        /// The job itself; for an array, all of its tasks.
        case whole
        case arrayTask(UInt32)
        case hetComponent(UInt32)
    }

    public var number: UInt32
    public var part: Part

    public init(_ number: UInt32, _ part: Part = .whole) {
        self.number = number
        self.part = part
    }

    /// Reads `123`, `123_4` or `123+1`; nil for anything else, also for 0 and for Slurm's in-band values.
    public init?(_ text: some StringProtocol) {
        func number(_ digits: some StringProtocol) -> UInt32? {
            guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
            return UInt32(digits).flatMap { $0 < Self.reserved ? $0 : nil }
        }
        let separator = text.firstIndex { $0 == "_" || $0 == "+" }
        guard let job = number(text[..<(separator ?? text.endIndex)]), job > 0 else { return nil }
        self.number = job
        guard let separator else {
            part = .whole
            return
        }
        guard let index = number(text[text.index(after: separator)...]) else { return nil }
        part = text[separator] == "_" ? .arrayTask(index) : .hetComponent(index)
    }

    /// NO_VAL and what lies above it never is an id.
    static let reserved: UInt32 = 0xffff_fffe

    public var description: String {
        switch part {
        case .whole: "\(number)"
        case .arrayTask(let task): "\(number)_\(task)"
        case .hetComponent(let offset): "\(number)+\(offset)"
        }
    }
}
