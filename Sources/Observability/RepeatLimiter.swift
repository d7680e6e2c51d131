// SPDX-License-Identifier: GPL-3.0-or-later

internal import Logging

/// Whether a warning or error is told now, when the same one keeps coming: the first at once, then once an interval with how
/// often. The interval doubles while it lasts; after one without the message it is as if it had never been.
///
/// The same: level, label and message; their ids may differ. Time is in seconds of a clock that never goes back.
package struct RepeatLimiter: Sendable {
    package enum Decision: Sendable, Equatable {
        /// How often it happened since it was told last, this time included; 0: it is new.
        case tell(repeated: Int)
        case hold
    }

    /// What was held back and is told now, though it does not happen just now; with the ids of the last time.
    package struct Overdue: Sendable, Equatable {
        package var line: LogLine
        package var repeated: Int
    }

    private struct Key: Hashable {
        var level: Logger.Level
        var label: String
        var message: String
    }

    private struct Entry {
        var told: Double
        var seen: Double
        var interval: Double
        var held = 0
        var last: LogLine
        /// Grows with each use.
        var use: UInt64
    }

    private let shortest: Double
    private let longest: Double
    private let capacity: Int
    private var entries: [Key: Entry] = [:]
    private var evicted: [Overdue] = []
    private var uses: UInt64 = 0
    /// Nothing is overdue before.
    private var nextDue = Double.infinity

    /// - Parameter capacity: messages that are remembered; the one that was used least recently makes room for a new one.
    package init(shortest: Double = 60, longest: Double = 3600, capacity: Int = 512) {
        (self.shortest, self.longest, self.capacity) = (shortest, longest, capacity)
    }

    package var count: Int { entries.count }

    package mutating func offer(_ line: LogLine, label: String, at now: Double) -> Decision {
        let key = Key(level: line.level, label: label, message: line.message)
        uses += 1
        guard var entry = entries[key] else {
            makeRoom()
            entries[key] = Entry(told: now, seen: now, interval: shortest, last: line, use: uses)
            return .tell(repeated: 0)
        }
        defer { entries[key] = entry }
        let wasQuiet = now - entry.seen >= entry.interval
        (entry.seen, entry.last, entry.use) = (now, line, uses)
        guard wasQuiet || now - entry.told >= entry.interval else {
            entry.held += 1
            nextDue = min(nextDue, entry.told + entry.interval)
            return .hold
        }
        let repeated = entry.held > 0 ? entry.held + 1 : 0
        entry.interval = wasQuiet ? shortest : min(entry.interval * 2, longest)
        (entry.told, entry.held) = (now, 0)
        return .tell(repeated: repeated)
    }

    /// To be asked now and then: the end of a row of errors is told though nothing follows it.
    package mutating func overdue(at now: Double) -> [Overdue] {
        var result = evicted
        evicted = []
        guard now >= nextDue else { return result }
        nextDue = .infinity
        for (key, entry) in entries.sorted(by: { $0.value.use < $1.value.use }) {
            let due = entry.told + entry.interval
            if entry.held > 0, now >= due {
                result.append(Overdue(line: entry.last, repeated: entry.held))
                entries[key]?.held = 0
                entries[key]?.told = now
                entries[key]?.interval = min(entry.interval * 2, longest)
            } else if entry.held > 0 {
                nextDue = min(nextDue, due)
            } else if now - entry.seen >= entry.interval {
                entries.removeValue(forKey: key)
            }
        }
        return result
    }

    private mutating func makeRoom() {
        guard entries.count >= capacity, let oldest = entries.min(by: { $0.value.use < $1.value.use }) else { return }
        entries.removeValue(forKey: oldest.key)
        if oldest.value.held > 0 { evicted.append(Overdue(line: oldest.value.last, repeated: oldest.value.held)) }
    }
}
