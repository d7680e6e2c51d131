// SPDX-License-Identifier: GPL-3.0-or-later

internal import BigInt
internal import DeepSquare
internal import Ethereum

/// A kind of value: what it is called in help, how it is read and shown.
struct ValueKind<Value: Sendable>: Sendable {
    typealias Problem = AgentConfiguration.Problem

    let form: ConfigurationKey.Form
    let placeholder: String
    let read: @Sendable ([String]) throws(Problem) -> Value
    let show: @Sendable (Value) -> String

    init(
        form: ConfigurationKey.Form, _ placeholder: String, show: @escaping @Sendable (Value) -> String,
        read: @escaping @Sendable ([String]) throws(Problem) -> Value
    ) {
        self.form = form
        self.placeholder = placeholder
        self.read = read
        self.show = show
    }

    /// One value.
    init(
        _ placeholder: String, form: ConfigurationKey.Form = .single,
        show: @escaping @Sendable (Value) -> String = { "\($0)" },
        read: @escaping @Sendable (String) throws(Problem) -> Value
    ) {
        self.init(form: form, placeholder, show: show) { values throws(Problem) in try read(values.last ?? "") }
    }

    /// Nothing is nil; shown as `word`.
    static func optional<Wrapped>(_ kind: ValueKind<Wrapped>, else word: String = "off") -> ValueKind<Wrapped?>
    where Value == Wrapped? {
        ValueKind(form: kind.form, kind.placeholder, show: { $0.map(kind.show) ?? word }) { values throws(Problem) in
            values.allSatisfy(\.isEmpty) ? nil : try kind.read(values)
        }
    }

    /// Any number of values.
    static func list<Element>(_ kind: ValueKind<Element>) -> ValueKind<[Element]> where Value == [Element] {
        ValueKind(form: .list, kind.placeholder + ",…", show: { shown($0.map(kind.show)) }) { values throws(Problem) in
            var elements: [Element] = []
            for value in values { elements.append(try kind.read([value])) }
            return elements
        }
    }
}

/// A list for people.
func shown(_ items: [String]) -> String { items.isEmpty ? "none" : items.joined(separator: ", ") }

// MARK: text

extension ValueKind where Value == String {
    static var path: Self {
        Self("PATH") { text throws(Problem) in
            guard text.hasPrefix("/"), !text.utf8.contains(0) else {
                throw Problem(description: "\"\(text)\" is no absolute path")
            }
            return text
        }
    }

    /// Text without white space, such as the name of an image.
    static func word(_ placeholder: String) -> Self {
        Self(placeholder) { text throws(Problem) in
            guard !text.isEmpty, text.utf8.count <= 1024,
                text.unicodeScalars.allSatisfy({ $0.value > 32 && $0 != "\u{7f}" })
            else { throw Problem(description: "\"\(text)\" is empty, too long, or has spaces") }
            return text
        }
    }

    /// One partition's name.
    static var partition: Self {
        Self("PARTITION") { text throws(Problem) in
            guard !text.isEmpty, text.unicodeScalars.allSatisfy({ $0.value > 32 && $0 != "," && $0 != "\u{7f}" }) else {
                throw Problem(description: "\"\(text)\" is no name of one partition")
            }
            return text
        }
    }

    /// A Unix login name.
    static var login: Self {
        Self("USER") { text throws(Problem) in
            let letters = text.utf8.allSatisfy { byte in
                byte >= 0x30 && byte <= 0x39 || byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7a
                    || "._-@+".utf8.contains(byte)
            }
            guard letters, !text.isEmpty, text.utf8.count <= 256, !text.hasPrefix("-"), !text.allSatisfy(\.isNumber)
            else { throw Problem(description: "\"\(text)\" is no login name") }
            return text
        }
    }

    static var logLevel: Self {
        let levels = ["trace", "debug", "info", "notice", "warning", "error", "critical"]
        return Self("LEVEL") { text throws(Problem) in
            guard levels.contains(text) else {
                throw Problem(description: "\"\(text)\" is no level; there are \(levels.joined(separator: ", "))")
            }
            return text
        }
    }

    /// A numeric address and a port.
    static var listenAddress: Self {
        Self("ADDRESS:PORT") { text throws(Problem) in
            guard let address = ListenAddress(text) else {
                throw Problem(
                    description: "\"\(text)\" is no numeric ADDRESS:PORT such as 10.0.0.1:6821 or [fd00::1]:6821")
            }
            return address.description
        }
    }
}

extension ValueKind where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// One of a few words.
    static var choice: Self {
        let words = Value.allCases.map(\.rawValue)
        return Self(words.joined(separator: "|"), show: \.rawValue) { text throws(Problem) in
            guard let value = Value(rawValue: text) else {
                throw Problem(description: "\"\(text)\" is none of \(words.joined(separator: ", "))")
            }
            return value
        }
    }
}

// MARK: booleans and numbers

extension ValueKind where Value == Bool {
    /// What Go's strconv.ParseBool knows, and YAML 1.1.
    static var boolean: Self {
        Self("BOOLEAN", form: .boolean) { text throws(Problem) in
            switch text {
            case "1", "t", "T", "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON": return true
            case "0", "f", "F", "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF": return false
            default: throw Problem(description: "\"\(text)\" is neither true nor false")
            }
        }
    }
}

extension ValueKind where Value: FixedWidthInteger {
    static func number(_ range: ClosedRange<Value>) -> Self {
        Self("NUMBER") { text throws(Problem) in
            guard text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let number = Value(text), range.contains(number)
            else {
                throw Problem(description: "\"\(text)\" is no number from \(range.lowerBound) to \(range.upperBound)")
            }
            return number
        }
    }
}

extension ValueKind where Value == UInt32 {
    /// Permissions that shut others out.
    static var mode: Self {
        Self("MODE", show: { "0" + String($0, radix: 8) }) { text throws(Problem) in
            guard let mode = UInt32(text, radix: 8), mode <= 0o777, mode & 0o007 == 0 else {
                throw Problem(description: "\"\(text)\" is no octal mode that shuts others out, such as 0660")
            }
            return mode
        }
    }
}

extension ValueKind where Value == Double {
    /// More than 0, at most 1.
    static var fraction: Self {
        Self("FRACTION") { text throws(Problem) in
            guard let number = Double(text), number > 0, number <= 1 else {
                throw Problem(description: "\"\(text)\" is no fraction such as 0.5, more than 0 and at most 1.0")
            }
            return number
        }
    }
}

extension ValueKind where Value == BigUInt {
    /// Beyond 64 bits, up to the 256 of the chain.
    static var wei: Self {
        Self("WEI") { text throws(Problem) in
            guard !text.isEmpty, text.utf8.count <= 78, text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
                let number = BigUInt(text), number.bitWidth <= 256
            else {
                throw Problem(
                    description: "\"\(text.prefix(100))\" is no amount in wei: digits only, less than 2^256")
            }
            return number
        }
    }

    /// `25gwei`, or wei.
    static var gasPrice: Self {
        Self("WEI|NUMBERgwei") { text throws(Problem) in
            let isGwei = text.hasSuffix("gwei")
            let digits = isGwei ? text.dropLast(4) : Substring(text)
            guard digits.utf8.count <= 40, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
                let number = BigUInt(digits), number > 0
            else { throw Problem(description: "\"\(text)\" is no amount such as 25gwei or 25000000000") }
            return isGwei ? number * 1_000_000_000 : number
        }
    }
}

// MARK: time and addresses

extension ValueKind where Value == Duration {
    static func duration(_ least: Duration, _ most: Duration) -> Self {
        Self("DURATION", show: \.text) { text throws(Problem) in
            guard let duration = Duration(text: text) else {
                throw Problem(description: "\"\(text)\" is no duration such as 500ms, 5s, 1h30m or 30d")
            }
            guard duration >= least, duration <= most else {
                throw Problem(description: "\(text) is out of range, \(least.text) to \(most.text) are possible")
            }
            return duration
        }
    }
}

extension ValueKind where Value == ServiceEndpoint {
    static var endpoint: Self {
        Self("HOST:PORT") { text throws(Problem) in
            guard let endpoint = ServiceEndpoint(text) else {
                throw Problem(description: "\"\(text)\" is no HOST:PORT such as sbatch.example.com:443")
            }
            return endpoint
        }
    }

    /// Where to listen: as Go writes it, `:PORT` is every address.
    static var listenEndpoint: Self {
        Self("[HOST]:PORT") { text throws(Problem) in
            guard let endpoint = ServiceEndpoint(text.hasPrefix(":") ? "[::]" + text : text) else {
                throw Problem(description: "\"\(text)\" is no [HOST]:PORT such as :3000 or 10.0.0.1:3000")
            }
            return endpoint
        }
    }
}

extension ValueKind where Value == RPCEndpoint {
    static var http: Self {
        Self("URL") { text throws(Problem) in try endpoint(text, RPCEndpoint.init(http:)) }
    }

    static var webSocket: Self {
        Self("URL") { text throws(Problem) in try endpoint(text, RPCEndpoint.init(webSocket:)) }
    }

    private static func endpoint(
        _ text: String, _ make: (String) throws(RPCEndpoint.Malformed) -> RPCEndpoint
    ) throws(Problem) -> RPCEndpoint {
        do throws(RPCEndpoint.Malformed) {
            return try make(text)
        } catch {
            throw Problem(description: error.description)
        }
    }
}

extension ValueKind where Value == Address {
    /// With or without 0x, as Go's library has it; a checksum must be right, though.
    static var account: Self {
        Self("ADDRESS", show: \.checksummed) { text throws(Problem) in
            let digits = text.hasPrefix("0x") || text.hasPrefix("0X") ? text.dropFirst(2) : Substring(text)
            guard let address = Address(hex: "0x" + digits) else {
                throw Problem(description: "\"\(text)\" is no address, or its checksum is wrong")
            }
            return address
        }
    }
}

extension ValueKind where Value == Set<Address> {
    static var accounts: Self {
        let kind = ValueKind<[Address]>.list(.account)
        return Self(form: .list, kind.placeholder, show: { kind.show($0.sorted { $0.hex < $1.hex }) }) {
            values throws(Problem) in Set(try kind.read(values))
        }
    }
}
