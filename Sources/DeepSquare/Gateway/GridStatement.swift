// SPDX-License-Identifier: GPL-3.0-or-later

internal import BigInt

/// What this provider was paid since some time, in sums: what `grid earnings` shows.
public struct GridStatement: Codable, Sendable, Hashable {
    public enum Grouping: String, Codable, Sendable, CaseIterable {
        case day, customer, month
    }

    public struct Row: Codable, Sendable, Hashable {
        /// `2026-11-21`, `2026-11` (both UTC, of the blocks that paid), or a customer's address.
        public var name: String
        /// Jobs that were paid, also those that the contract paid nothing for.
        public var jobs: Int
        /// Wei of credits, decimal.
        public var credits: String
    }

    public var by: Grouping
    /// Unix seconds.
    public var since: Int64
    /// Days and months: the newest first. Customers: who paid most first.
    public var rows: [Row]
    public var jobs: Int
    /// Wei of credits, decimal.
    public var credits: String

    /// Adds payments up, in the order in which the file has them.
    struct Sums {
        private struct Sum {
            var jobs = 0
            var credits = BigUInt(0)
        }

        private let grouping: Grouping
        private var sums: [String: Sum] = [:]
        private var total = Sum()
        private var last: (job: String, claim: Int64)?

        init(by grouping: Grouping) { self.grouping = grouping }

        mutating func add(_ payment: GridEarnings.Payment) {
            // Several transfers of one claim are of one transaction, and follow each other.
            let isNew = last.map { $0.job != payment.job || $0.claim != payment.claim } ?? true
            last = (payment.job, payment.claim)
            let credits = BigUInt(payment.wei) ?? 0
            var sum = sums[name(payment)] ?? Sum()
            sum.jobs += isNew ? 1 : 0
            sum.credits += credits
            sums[name(payment)] = sum
            total.jobs += isNew ? 1 : 0
            total.credits += credits
        }

        private func name(_ payment: GridEarnings.Payment) -> String {
            let day = GridEarnings.text(payment.at / GridEarnings.secondsOfDay)
            return switch grouping {
            case .day: day
            case .month: String(day.prefix(7))
            case .customer: payment.customer.isEmpty ? "unknown" : payment.customer
            }
        }

        func statement(since: Int64) -> GridStatement {
            let sorted = sums.sorted {
                grouping == .customer
                    ? ($0.value.credits, $1.key) > ($1.value.credits, $0.key) : $0.key > $1.key
            }
            return GridStatement(
                by: grouping, since: since,
                rows: sorted.map { Row(name: $0.key, jobs: $0.value.jobs, credits: "\($0.value.credits)") },
                jobs: total.jobs, credits: "\(total.credits)")
        }
    }
}

extension DeepSquareGateway {
    private static let statementPage = 5000

    /// What was paid since a time, Unix seconds. The gateway remembers ``GridStore/daysOfPayments`` days.
    public func statement(by grouping: GridStatement.Grouping, since: Int64) async throws(GridError) -> GridStatement {
        var sums = GridStatement.Sums(by: grouping)
        var place = GridStore.PaymentPlace(at: since)
        while true {
            // In pages: what is to be written meanwhile waits for one of them at most.
            let page = try await store.payments(after: place, limit: Self.statementPage)
            for payment in page { sums.add(payment.payment) }
            guard page.count == Self.statementPage, let last = page.last else { return sums.statement(since: since) }
            place = last.place
        }
    }
}
