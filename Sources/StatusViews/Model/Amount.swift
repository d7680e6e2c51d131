// SPDX-License-Identifier: GPL-3.0-or-later

/// An amount of 10^-18 units (wei of a coin or of credits), up to 78 digits: the decimal point is moved in its text, so
/// that nothing is rounded on the way.
package struct Amount: Equatable {
    /// Without leading zeros; "0" is zero.
    private let digits: String

    /// nil for what is no decimal number.
    package init?(wei text: String) {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        let significant = text.drop { $0 == "0" }
        digits = significant.isEmpty ? "0" : String(significant)
    }

    private static let places = 18

    /// Whole units, and exactly 18 digits behind the point.
    private var split: (whole: String, fraction: String) {
        let padded = String(repeating: "0", count: max(0, Self.places + 1 - digits.utf8.count)) + digits
        return (String(padded.dropLast(Self.places)), String(padded.suffix(Self.places)))
    }

    /// Every digit that is not zero: `8.333333333333333333`, `19`.
    package var exact: String {
        let (whole, fraction) = split
        let used = fraction.trimmingSuffix { $0 == "0" }
        return used.isEmpty ? whole : whole + "." + used
    }

    /// For people: three places, thousands apart (`12 345.679`), and no more digits than there are. What would look like
    /// nothing and is something is `<0.001`.
    package var rounded: String {
        let (whole, fraction) = split
        var kept = Array((whole + fraction.prefix(3)).utf8)
        if fraction.utf8.dropFirst(3).first.map({ $0 >= UInt8(ascii: "5") }) == true { Self.increment(&kept) }
        let text = String(decoding: kept, as: UTF8.self)
        let units = text.dropLast(3)
        let places = text.suffix(3).trimmingSuffix { $0 == "0" }
        if digits != "0", units.allSatisfy({ $0 == "0" }), places.isEmpty { return "<0.001" }
        return Self.grouped(String(units)) + (places.isEmpty ? "" : "." + places)
    }

    /// For a line of text: `12 345.679 credits`; `?` when it is not known.
    package static func text(_ wei: String?, _ unit: String) -> String {
        wei.flatMap(Amount.init(wei:)).map { "\($0.rounded) \(unit)" } ?? "?"
    }

    /// For bars and comparisons only.
    package var approximate: Double { Double(exact) ?? 0 }

    private static func increment(_ digits: inout [UInt8]) {
        for index in digits.indices.reversed() {
            guard digits[index] == UInt8(ascii: "9") else {
                digits[index] += 1
                return
            }
            digits[index] = UInt8(ascii: "0")
        }
        digits.insert(UInt8(ascii: "1"), at: 0)
    }

    /// With a narrow space that does not break between thousands.
    package static func grouped(_ digits: String) -> String {
        var out = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { out += "\u{202f}" }
            out.append(digit)
        }
        return out
    }
}

extension StringProtocol {
    fileprivate func trimmingSuffix(while isTrimmed: (Character) -> Bool) -> String {
        var rest = self[...]
        while let last = rest.last, isTrimmed(last) { rest = rest.dropLast() }
        return String(rest)
    }
}
