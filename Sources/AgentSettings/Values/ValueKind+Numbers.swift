// SPDX-License-Identifier: GPL-3.0-or-later

extension ValueKind where Value == Bool {
    /// What Go's strconv.ParseBool knows, and YAML 1.1.
    package static var boolean: Self {
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
    package static func number(_ range: ClosedRange<Value>, _ unit: String = "") -> Self {
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
    package static var mode: Self {
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
    package static var fraction: Self {
        Self("FRACTION", allowed: "more than 0, at most 1.0") { text throws(Problem) in
            guard let number = Double(text), number > 0, number <= 1 else {
                throw Problem(description: "\(quoted(text)) is no fraction such as 0.5, more than 0 and at most 1.0")
            }
            return number
        }
    }
}

extension ValueKind where Value == Duration {
    package static func duration(_ least: Duration, _ most: Duration) -> Self {
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
