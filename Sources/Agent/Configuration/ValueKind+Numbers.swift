// SPDX-License-Identifier: GPL-3.0-or-later

internal import BigInt

extension ValueKind where Value == Bool {
    /// What Go's strconv.ParseBool knows, and YAML 1.1.
    static var boolean: Self {
        Self("BOOLEAN", allowed: "boolean", form: .boolean) { text throws(Problem) in
            switch text {
            case "1", "t", "T", "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON": return true
            case "0", "f", "F", "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF": return false
            default: throw Problem(description: "\(quoted(text)) is neither true nor false")
            }
        }
    }
}

extension ValueKind where Value: FixedWidthInteger {
    /// - Parameter unit: completes "number, 1 to 10 …".
    static func number(_ range: ClosedRange<Value>, _ unit: String = "") -> Self {
        let end = range.upperBound == .max ? "" : " to \(range.upperBound)"
        let allowed =
            "number, \(range.lowerBound)" + (end.isEmpty ? " or more" : end) + (unit.isEmpty ? "" : " \(unit)")
        return Self("NUMBER", allowed: allowed) { text throws(Problem) in
            guard text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let number = Value(text), range.contains(number)
            else {
                throw Problem(
                    description: "\(quoted(text)) is no number from \(range.lowerBound) to \(range.upperBound)")
            }
            return number
        }
    }
}

extension ValueKind where Value == UInt32 {
    /// Permissions that shut others out.
    static var mode: Self {
        Self("MODE", allowed: "octal, nothing for others", show: { "0" + String($0, radix: 8) }) {
            text throws(Problem) in
            guard text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x37 }), let mode = UInt32(text, radix: 8), mode <= 0o777,
                mode & 0o007 == 0
            else {
                throw Problem(description: "\(quoted(text)) is no octal mode that shuts others out, such as 0660")
            }
            return mode
        }
    }
}

extension ValueKind where Value == Double {
    /// More than 0, at most 1.
    static var fraction: Self {
        Self("FRACTION", allowed: "more than 0, at most 1.0") { text throws(Problem) in
            guard let number = Double(text), number > 0, number <= 1 else {
                throw Problem(description: "\(quoted(text)) is no fraction such as 0.5, more than 0 and at most 1.0")
            }
            return number
        }
    }
}

extension ValueKind where Value == BigUInt {
    /// Beyond 64 bits, up to the 256 of the chain.
    static var wei: Self {
        Self("WEI", allowed: "wei") { text throws(Problem) in
            guard !text.isEmpty, text.utf8.count <= 78, text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
                let number = BigUInt(text), number.bitWidth <= 256
            else {
                throw Problem(description: "\(quoted(text)) is no amount in wei: digits only, less than 2^256")
            }
            return number
        }
    }

    /// `25gwei`, or wei.
    static var gasPrice: Self {
        Self(
            "WEI|NUMBERgwei", allowed: "wei, or gwei with that suffix",
            show: {
                let (gwei, rest) = $0.quotientAndRemainder(dividingBy: 1_000_000_000)
                return rest == 0 ? "\(gwei)gwei" : "\($0)"
            }
        ) { text throws(Problem) in
            let isGwei = text.hasSuffix("gwei")
            let digits = isGwei ? text.dropLast(4) : Substring(text)
            guard digits.utf8.count <= 40, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
                let number = BigUInt(digits), number > 0
            else { throw Problem(description: "\(quoted(text)) is no amount such as 25gwei or 25000000000") }
            return isGwei ? number * 1_000_000_000 : number
        }
    }
}

extension ValueKind where Value == Duration {
    static func duration(_ least: Duration, _ most: Duration) -> Self {
        let range = "\(least.text) to \(most.text)"
        return Self("DURATION", allowed: "duration, \(range)", show: \.text) { text throws(Problem) in
            guard let duration = Duration(text: text) else {
                throw Problem(
                    description:
                        "\(quoted(text)) is no duration such as 500ms, 5s, 1h30m or 30d; \(range) are possible")
            }
            guard duration >= least, duration <= most else {
                throw Problem(description: "\(quoted(text)) is out of range, \(range) are possible")
            }
            return duration
        }
    }
}
