// SPDX-License-Identifier: GPL-3.0-or-later

/// The lines of a program's output, without the colours of a terminal (ECMA-48 control sequences) and without what a carriage
/// return has overwritten.
struct OutputLines: Sequence {
    private let text: String

    init(_ text: String) { self.text = text }

    func makeIterator() -> AnyIterator<Substring> {
        var lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).makeIterator()
        return AnyIterator { lines.next().map { Self.plain(Substring($0)) } }
    }

    static func plain(_ line: Substring) -> Substring {
        var bytes = line.utf8
        if bytes.last == UInt8(ascii: "\r") { bytes = bytes.dropLast() }
        if let last = bytes.lastIndex(of: UInt8(ascii: "\r")) { bytes = bytes[bytes.index(after: last)...] }
        let escape: UInt8 = 0x1b
        guard bytes.contains(escape) else { return Substring(bytes) }
        var out: [UInt8] = []
        var rest = bytes[...]
        while let byte = rest.popFirst() {
            guard byte == escape else {
                out.append(byte)
                continue
            }
            guard rest.first == UInt8(ascii: "[") else {
                _ = rest.popFirst()
                continue
            }
            _ = rest.popFirst()
            // Parameters up to the final byte.
            while let next = rest.popFirst(), !(0x40...0x7e).contains(next) {}
        }
        return Substring(String(decoding: out, as: UTF8.self))
    }
}

extension StringProtocol {
    /// Without white space at both ends.
    var trimmed: String {
        let start = drop(while: \.isWhitespace)
        guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return String(start[...last])
    }

    /// The words of a line.
    var words: [SubSequence] { split { $0 == " " || $0 == "\t" } }
}

/// A number as these programs print it: decimal, finite. What else Swift reads as a number (`nan`, `inf`, `0x1p3`) is none.
func decimal(_ text: some StringProtocol) -> Double? {
    guard text.utf8.count <= 64, text.utf8.contains(where: { (0x30...0x39).contains($0) }),
        text.utf8.allSatisfy({ (0x30...0x39).contains($0) || "+-.eE".utf8.contains($0) }),
        let number = Double(text), number.isFinite
    else { return nil }
    return number
}
