// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB

/// By how much a transaction changes the counters that it keeps itself. A value: whoever goes back to a savepoint goes back to
/// what this was then.
struct CounterChanges: Sendable, Equatable {
    private enum Counter: String, CaseIterable {
        case jobs
        case openOrders = "open_orders"
        case openRuns = "open_runs"
        case vanished
        case waiting, parked
    }

    private struct Key: Hashable {
        var counter: Counter
        /// Empty but for `waiting` and `parked`.
        var gateway = ""
    }

    private var changes: [Key: Int] = [:]

    mutating func addJob(isOpenOrder: Bool) {
        add(1, .jobs)
        if isOpenOrder { add(1, .openOrders) }
    }

    /// - Parameters:
    ///   - before: nil for runs that were not there.
    ///   - count: how many.
    mutating func runs(from before: RunRecord.Phase?, to after: RunRecord.Phase, count: Int = 1) {
        add(count * ((after.isOpen ? 1 : 0) - (before?.isOpen == true ? 1 : 0)), .openRuns)
        add(count * ((after == .vanished ? 1 : 0) - (before == .vanished ? 1 : 0)), .vanished)
    }

    /// - Parameter before: nil for deliveries that were not there.
    mutating func deliveries(
        of gateway: String, from before: DeliveryState?, to after: DeliveryState, count: Int = 1
    ) {
        guard before != after else { return }
        if let counter = before.flatMap(Self.counter) { add(-count, counter, gateway) }
        if let counter = Self.counter(after) { add(count, counter, gateway) }
    }

    private static func counter(_ state: DeliveryState) -> Counter? {
        switch state {
        case .waiting: .waiting
        case .delivered: nil
        case .parked: .parked
        }
    }

    private mutating func add(_ value: Int, _ counter: Counter, _ gateway: String = "") {
        if value != 0 { changes[Key(counter: counter, gateway: gateway), default: 0] += value }
    }

    /// Writes them, with the rows and before the savepoint around these ends.
    func write(to database: Database) throws {
        for (key, change) in changes where change != 0 {
            try database.cachedStatement(
                sql: """
                    INSERT INTO counters VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value
                    """
            ).execute(arguments: [key.counter.rawValue, key.gateway, change])
        }
    }
}

/// As in the column `state`.
enum DeliveryState: Int, Sendable, CaseIterable {
    case waiting = 0
    case delivered = 1
    case parked = 2
}
