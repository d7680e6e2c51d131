// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials

/// Results in the output of a job, which other programs write to as well:
///
///     @sga begin TOKEN NAME BYTES CHECKSUM
///     @sga . BASE64
///     @sga end TOKEN NAME
///
/// TOKEN is random, of the run: a file that was left over, or put there, has another one. CHECKSUM is that of cksum(1). A name
/// that comes twice is taken as it was first complete; lines between that are not ours do not matter.
public struct ResultBlocks: Sendable, Hashable {
    public private(set) var contents: [String: String] = [:]
    /// By name, what is wrong with a block that is not in `contents`.
    public private(set) var broken: [String: String] = [:]

    static let mark = "@sga "
    /// Bytes of one block, and how many there are.
    static let (sizeLimit, countLimit) = (1 << 20, 4096)

    private struct Open {
        var name: String
        var size: Int
        var checksum: UInt32
        var text = ""
    }

    /// What was found whole before.
    init(whole contents: [String: String]) { self.contents = contents }

    public init(_ output: String, token: String) {
        var open: Open?
        func give(up why: String) -> (String, String)? { open.map { ($0.name, why) } }
        for line in OutputLines(output) where line.hasPrefix(Self.mark) {
            let words = line.dropFirst(Self.mark.count).words
            switch words.first {
            case "begin" where words.count == 5 && words[1] == token:
                if let (name, why) = give(up: "another one begins in it") { note(name, why) }
                open = nil
                let name = String(words[2])
                guard let size = Int(words[3]), let checksum = UInt32(words[4]), Self.isName(name) else { continue }
                guard size >= 0, size <= Self.sizeLimit else {
                    note(name, "it has \(size) bytes, at most \(Self.sizeLimit) are read")
                    continue
                }
                if contents.count + broken.count < Self.countLimit {
                    open = Open(name: name, size: size, checksum: checksum)
                }
            case "." where words.count == 2 && open != nil:
                open?.text += words[1]
                // Base64 has four letters for three bytes.
                if let length = open?.text.utf8.count, let size = open?.size, length > size / 3 * 4 + 4 {
                    if let name = open?.name { note(name, "it is longer than it says") }
                    open = nil
                }
            case "end" where words.count == 3 && words[1] == token:
                if let one = open, words[2] == one.name { close(one) }
                open = nil
            default: continue
            }
        }
        if let (name, why) = give(up: "its end is missing") { note(name, why) }
    }

    private mutating func close(_ one: Open) {
        guard let data = Data(base64Encoded: one.text), data.count == one.size else {
            return note(one.name, "it is not as long as it says")
        }
        guard POSIXChecksum.of(data) == one.checksum else { return note(one.name, "its checksum differs") }
        broken[one.name] = nil
        if contents[one.name] == nil { contents[one.name] = String(decoding: data, as: UTF8.self) }
    }

    private mutating func note(_ name: String, _ why: String) {
        if contents[name] == nil { broken[name] = why }
    }

    static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 64
            && name.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x61...0x7a).contains($0) || $0 == UInt8(ascii: "-")
                    || $0 == UInt8(ascii: ".")
            }
    }
}

/// The checksum that cksum(1) prints (POSIX.1, `cksum`): a CRC over the bytes and then their number.
enum POSIXChecksum {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index) << 24) { crc, _ in crc & 0x8000_0000 == 0 ? crc << 1 : crc << 1 ^ 0x04c1_1db7 }
    }

    static func of(_ bytes: some Collection<UInt8>) -> UInt32 {
        var crc: UInt32 = 0
        func add(_ byte: UInt8) { crc = crc << 8 ^ table[Int(UInt8(truncatingIfNeeded: crc >> 24) ^ byte)] }
        for byte in bytes { add(byte) }
        var length = UInt64(bytes.count)
        while length > 0 {
            add(UInt8(truncatingIfNeeded: length))
            length >>= 8
        }
        return ~crc
    }
}
