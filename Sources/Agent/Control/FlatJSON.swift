// SPDX-License-Identifier: GPL-3.0-or-later

/// Whether bytes have the shape of a small and flat JSON document, found in one pass: what has not is left before a decoder
/// sees it. It decides of the shape alone: the decoder says whether it is JSON.
struct FlatJSON {
    struct Limits: Sendable {
        /// Arrays and objects within one another.
        var depth = 2
        /// Values and names together.
        var values = 64
        /// Bytes of an object's name, and of a number or a word.
        var name = 64
    }

    /// Bytes looked at.
    private(set) var steps = 0
    private let limits: Limits
    private var depth = 0
    private var values = 0

    init(_ limits: Limits = Limits()) {
        self.limits = limits
    }

    private enum Place: Equatable {
        case between
        case string(length: Int, isEscaped: Bool)
        /// A number or a word.
        case token(length: Int)
    }

    mutating func accepts(_ document: [UInt8]) -> Bool {
        (steps, depth, values) = (0, 0, 0)
        var place = Place.between
        var lastString = 0
        for byte in document {
            steps += 1
            switch place {
            case .string(let length, true):
                place = .string(length: length + 1, isEscaped: false)
            case .string(let length, false) where byte == UInt8(ascii: "\""):
                lastString = length
                place = .between
            case .string(let length, false):
                place = .string(length: length + 1, isEscaped: byte == UInt8(ascii: "\\"))
            case .between, .token:
                guard let next = next(byte, place, lastString) else { return false }
                place = next
            }
        }
        if case .string = place { return false }
        return depth == 0 && values > 0
    }

    /// nil: it is too deep, too many or too long.
    private mutating func next(_ byte: UInt8, _ place: Place, _ lastString: Int) -> Place? {
        switch byte {
        case UInt8(ascii: "\""):
            return counted() ? .string(length: 0, isEscaped: false) : nil
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            depth += 1
            return depth <= limits.depth && counted() ? .between : nil
        case UInt8(ascii: "}"), UInt8(ascii: "]"):
            depth -= 1
            return depth >= 0 ? .between : nil
        case UInt8(ascii: ":"):
            return lastString <= limits.name ? .between : nil
        case UInt8(ascii: ","), UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), UInt8(ascii: "\n"):
            return .between
        default:
            guard case .token(let length) = place else { return counted() ? .token(length: 1) : nil }
            return length < limits.name ? .token(length: length + 1) : nil
        }
    }

    private mutating func counted() -> Bool {
        values += 1
        return values <= limits.values
    }
}
