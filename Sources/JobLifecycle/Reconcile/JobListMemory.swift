// SPDX-License-Identifier: GPL-3.0-or-later

/// What is remembered of slurmctld's list: enough to tell which of the next one's records differ, and which are gone. 40 bytes
/// a job, whatever the job is.
public struct JobListMemory: Sendable {
    private struct Entry {
        var digest: UInt64
        var submitTime: Int64
        /// The list in which it was last.
        var round: UInt32
        /// The job was spoken of since.
        var isOutdated = false
    }

    /// Of that list; nil: there was none.
    public private(set) var stamp: Int64?
    private var entries: [UInt32: Entry] = [:]
    private var round: UInt32 = 0

    /// Of the records of these numbers alone; nil: of all.
    private let numbers: Set<UInt32>?

    public init() { numbers = nil }

    /// - Parameter numbers: what is asked about: of an array or a heterogeneous job all records are in the answer.
    public init(of numbers: Set<UInt32>) { self.numbers = numbers }

    /// - Parameters:
    ///   - jobID: the record's own number.
    ///   - array: the array's that it belongs to; 0 for none.
    ///   - leader: the leader's, of a heterogeneous job; 0 for none.
    public func isAskedFor(_ jobID: UInt32, array: UInt32, leader: UInt32) -> Bool {
        guard let numbers else { return true }
        return numbers.contains(jobID) || numbers.contains(array) || numbers.contains(leader)
    }

    /// The records of the next list follow.
    public mutating func begin() { round &+= 1 }

    /// - Parameter digest: changes with what an observation of the record says.
    /// - Returns: whether the record differs from the last list's.
    public mutating func differs(_ jobID: UInt32, submitTime: Int64, digest: UInt64) -> Bool {
        guard let before = entries[jobID] else {
            entries[jobID] = Entry(digest: digest, submitTime: submitTime, round: round)
            return true
        }
        entries[jobID] = Entry(digest: digest, submitTime: submitTime, round: round)
        return before.isOutdated || before.digest != digest || before.submitTime != submitTime
    }

    /// The next record of each of these counts as one that differs.
    mutating func outdate(_ spokenOf: SpokenOf.Jobs) {
        switch spokenOf {
        case .these(let ids): for id in ids { entries[id]?.isOutdated = true }
        case .all: for id in Array(entries.keys) { entries[id]?.isOutdated = true }
        }
    }

    /// That was the list.
    /// - Returns: the numbers that were in the last one and are not in this.
    public mutating func end(stamp: Int64) -> [UInt32] {
        self.stamp = stamp
        let gone = entries.compactMap { $0.value.round == round ? nil : $0.key }
        for id in gone { entries[id] = nil }
        return gone
    }

    func has(_ jobID: UInt32, submitTime: Int64) -> Bool { entries[jobID]?.submitTime == submitTime }

    var count: Int { entries.count }
}
