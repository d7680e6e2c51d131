// SPDX-License-Identifier: GPL-3.0-or-later

internal import CSlurm

/// A run time limit. Slurm counts in whole minutes.
public enum TimeLimit: Sendable, Hashable, Codable, CustomStringConvertible {
    case minutes(UInt32)
    case unlimited

    /// The longest that fits between Slurm's in-band values, about 8,000 years.
    public static let maximumMinutes: UInt32 = cs_NO_VAL - 1

    init?(slurm value: UInt32) {
        switch value {
        case cs_NO_VAL: return nil
        case cs_INFINITE: self = .unlimited
        default: self = .minutes(value)
        }
    }

    var slurmValue: UInt32 {
        switch self {
        case .minutes(let minutes): minutes
        case .unlimited: cs_INFINITE
        }
    }

    /// `[days-]hours:minutes:00`, or UNLIMITED.
    public var description: String {
        switch self {
        case .unlimited: return "UNLIMITED"
        case .minutes(let minutes):
            func two(_ n: UInt32) -> String { n < 10 ? "0\(n)" : "\(n)" }
            let (days, hours) = (minutes / 1440, minutes / 60 % 24)
            return (days > 0 ? "\(days)-" : "") + "\(two(hours)):\(two(minutes % 60)):00"
        }
    }

    /// Reads the forms that sbatch takes: minutes, minutes:seconds, hours:minutes:seconds, days-, days-hours,
    /// days-hours:minutes, days-hours:minutes:seconds, UNLIMITED, INFINITE, -1. Seconds round up to the next minute; 0 in
    /// any form is no limit (sbatch(1), --time).
    public init?(_ text: String) {
        if ["UNLIMITED", "INFINITE", "-1"].contains(text.uppercased()) {
            self = .unlimited
            return
        }
        let halves = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        var fields = (halves.last ?? "").split(separator: ":", omittingEmptySubsequences: false)
        if halves.count == 2, halves[1].isEmpty { fields = ["0"] }
        func number(_ text: Substring) -> UInt64? {
            text.utf8.count <= 10 && text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) ? UInt64(text) : nil
        }
        let numbers = fields.compactMap(number)
        guard numbers.count == fields.count, (1...3).contains(numbers.count) else { return nil }
        var seconds: UInt64
        if halves.count == 2 {
            guard let days = number(halves[0]) else { return nil }
            seconds = days * 86_400 + zip(numbers, [3600, 60, 1] as [UInt64]).reduce(0) { $0 + $1.0 * $1.1 }
        } else {
            switch numbers.count {
            case 1: seconds = numbers[0] * 60
            case 2: seconds = numbers[0] * 60 + numbers[1]
            default: seconds = numbers[0] * 3600 + numbers[1] * 60 + numbers[2]
            }
        }
        let minutes = (seconds + 59) / 60
        guard minutes <= UInt64(Self.maximumMinutes) else { return nil }
        self = minutes == 0 ? .unlimited : .minutes(UInt32(minutes))
    }
}
