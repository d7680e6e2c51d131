// SPDX-License-Identifier: GPL-3.0-or-later

internal import BigInt
internal import FoundationEssentials

/// What this provider was paid on one day.
public struct GridEarnings: Codable, Sendable, Hashable {
    /// UTC, `2026-11-21`, of the blocks that paid.
    public var day: String
    /// Jobs that were paid, also those that the contract paid nothing for.
    public var jobs: Int
    /// Wei of credits, decimal.
    public var credits: String

    static let secondsOfDay: Int64 = 86_400

    /// A row of the gateway's file.
    struct Payment: Sendable, Hashable {
        /// Unix seconds.
        var at: Int64
        var job: String
        var claim: Int64
        /// Wei, decimal.
        var wei: String
        /// Address, lower case; empty when it is not known.
        var customer = ""
    }

    /// The newest day first; days without a payment are left out.
    static func byDay(_ payments: [Payment]) -> [GridEarnings] {
        Dictionary(grouping: payments) { $0.at / secondsOfDay }.sorted { $0.key > $1.key }.map { day, payments in
            let sum = payments.reduce(BigUInt(0)) { $0 + (BigUInt($1.wei) ?? 0) }
            return GridEarnings(
                day: text(day), jobs: Set(payments.map { "\($0.job) \($0.claim)" }).count, credits: "\(sum)")
        }
    }

    /// - Parameter day: since 1970.
    static func text(_ day: Int64) -> String {
        Date(timeIntervalSince1970: Double(day * secondsOfDay)).formatted(.iso8601.year().month().day())
    }
}
