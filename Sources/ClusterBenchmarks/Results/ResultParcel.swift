// SPDX-License-Identifier: GPL-3.0-or-later

/// Results that come together: for each `NAME BYTES`, a line feed, and so many bytes.
enum ResultParcel {
    /// Bytes of one.
    static let limit = 16 << 20

    static func contents(_ bytes: [UInt8]) throws(ResultError) -> [String: String] {
        var contents: [String: String] = [:]
        var rest = bytes[...]
        while !rest.isEmpty {
            guard let end = rest.prefix(100).firstIndex(of: UInt8(ascii: "\n")) else {
                throw ResultError("a parcel in which a name is missing")
            }
            let words = String(decoding: rest[..<end], as: UTF8.self).words
            rest = rest[(end + 1)...]
            guard words.count == 2, ResultBlocks.isName(String(words[0])), let size = Int(words[1]),
                (0...min(rest.count, ResultBlocks.sizeLimit)).contains(size)
            else { throw ResultError("a parcel in which a result is not as long as it says") }
            let name = String(words[0])
            if contents[name] == nil { contents[name] = String(decoding: rest.prefix(size), as: UTF8.self) }
            rest = rest.dropFirst(size)
        }
        return contents
    }
}
