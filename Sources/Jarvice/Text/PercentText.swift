// SPDX-License-Identifier: GPL-3.0-or-later

/// Percent-encoded text (RFC 3986), and that of forms.
enum PercentText {
    /// A `%` without two hexadecimal digits stays; bytes that are not UTF-8 become U+FFFD.
    static func decode(_ text: some Collection<UInt8>, plusIsBlank: Bool = false) -> String {
        let bytes = Array(text)
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var place = 0
        while place < bytes.count {
            let byte = bytes[place]
            place += 1
            switch byte {
            case UInt8(ascii: "%"):
                if place + 1 < bytes.count, let high = digit(bytes[place]), let low = digit(bytes[place + 1]) {
                    decoded.append(high << 4 | low)
                    place += 2
                } else {
                    decoded.append(byte)
                }
            case UInt8(ascii: "+") where plusIsBlank: decoded.append(0x20)
            default: decoded.append(byte)
            }
        }
        return String(decoding: decoded, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }
}
