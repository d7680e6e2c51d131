// SPDX-License-Identifier: GPL-3.0-or-later

/// What Python's `int`, `strip` and `b64decode` take: upstream's texts were written for them.
enum PythonText {
    /// Blanks around, a sign, digits with single underscores between them. nil: no such number, or one that does not fit.
    static func integer(_ text: String) -> Int? {
        var digits = strip(text)[...]
        var isNegative = false
        if let sign = digits.first, sign == "-" || sign == "+" {
            isNegative = sign == "-"
            digits = digits.dropFirst()
        }
        let groups = digits.split(separator: "_", omittingEmptySubsequences: false)
        guard groups.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }) else {
            return nil
        }
        return Int((isNegative ? "-" : "") + groups.joined())
    }

    static func strip(_ text: some StringProtocol) -> String {
        let start = text.drop(while: \.isWhitespace)
        guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return String(start[...last])
    }

    static func stripEnd(_ text: String) -> String {
        guard let last = text.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return String(text[...last])
    }

    /// `base64.b64decode` without validation: bytes outside the alphabet are skipped. nil: wrong padding.
    static func base64(_ text: String) -> [UInt8]? {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(text.utf8.count / 4 * 3)
        var quad = 0
        var left: UInt8 = 0
        var pads = 0
        for byte in text.utf8 {
            if byte == UInt8(ascii: "=") {
                guard quad >= 2 else { continue }
                pads += 1
                if quad + pads >= 4 { return decoded }
                continue
            }
            guard let value = sextet(byte) else { continue }
            pads = 0
            switch quad {
            case 0: left = value
            case 1:
                decoded.append(left << 2 | value >> 4)
                left = value & 0x0f
            case 2:
                decoded.append(left << 4 | value >> 2)
                left = value & 0x03
            default: decoded.append(left << 6 | value)
            }
            quad = (quad + 1) % 4
        }
        return quad == 0 ? decoded : nil
    }

    private static func sextet(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x41...0x5a: byte - 0x41
        case 0x61...0x7a: byte - 0x61 + 26
        case 0x30...0x39: byte - 0x30 + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
