// SPDX-License-Identifier: GPL-3.0-or-later

extension Duration {
    package static func days(_ count: Int64) -> Duration { .seconds(count * 86_400) }

    /// The units of Go's time.ParseDuration, and days.
    private static let units: [(name: String, nanoseconds: Int64)] = [
        ("ns", 1), ("us", 1000), ("µs", 1000), ("μs", 1000), ("ms", 1_000_000), ("s", 1_000_000_000),
        ("m", 60_000_000_000), ("h", 3_600_000_000_000), ("d", 86_400_000_000_000),
    ]

    /// Reads `24h0m0s`, `1.5h`, `500ms`, `30d`; also `0`. nil when it is none, is negative, or longer than 292 years.
    package init?(text: String) {
        guard text != "0" else {
            self = .zero
            return
        }
        var rest = Substring(text)
        var total: Int64 = 0
        repeat {
            let whole = rest.prefix(while: \.isDigit)
            rest = rest.dropFirst(whole.count)
            var fraction = Substring()
            if rest.first == "." {
                fraction = rest.dropFirst().prefix(while: \.isDigit)
                rest = rest.dropFirst(fraction.count + 1)
            }
            let name = rest.prefix { !$0.isDigit && $0 != "." }
            rest = rest.dropFirst(name.count)
            guard !(whole.isEmpty && fraction.isEmpty), let number = whole.isEmpty ? 0 : Int64(whole),
                let unit = Self.units.first(where: { $0.name == name })?.nanoseconds
            else { return nil }
            let (product, tooLong) = number.multipliedReportingOverflow(by: unit)
            let part = fraction.isEmpty ? 0 : Int64((Double("0." + fraction) ?? 0) * Double(unit))
            let (sum, alsoTooLong) = product.addingReportingOverflow(part)
            let (next, still) = total.addingReportingOverflow(sum)
            guard !tooLong, !alsoTooLong, !still else { return nil }
            total = next
        } while !rest.isEmpty
        self = .nanoseconds(total)
    }

    /// In the same form, such as `1h30m`; to the millisecond.
    package var text: String {
        var rest = components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
        var text = ""
        for (name, length) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)]
            as [(String, Int64)]
        where rest >= length {
            text += "\(rest / length)\(name)"
            rest %= length
        }
        return text.isEmpty ? "0s" : text
    }
}

extension Character {
    fileprivate var isDigit: Bool { isASCII && isNumber }
}
