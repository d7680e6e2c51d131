// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials

/// The JSON objects in a program's output, between whatever else it printed. An object begins with a line that begins with `{`.
enum JSONDocuments {
    /// What is nested deeper is none of these programs'.
    private static let depthLimit = 64
    private static let countLimit = 100

    static func all(in text: String) -> [Substring] {
        var found: [Substring] = []
        let bytes = text.utf8
        var (depth, start, isString, isEscaped, isLineStart) = (0, bytes.startIndex, false, false, true)
        for index in bytes.indices {
            let byte = bytes[index]
            if depth == 0 {
                if byte == UInt8(ascii: "\n") {
                    isLineStart = true
                } else if isLineStart, byte == UInt8(ascii: "{") {
                    (depth, start, isString, isEscaped) = (1, index, false, false)
                } else if byte != UInt8(ascii: " "), byte != UInt8(ascii: "\t") {
                    isLineStart = false
                }
                continue
            }
            if isString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte
                    == UInt8(ascii: "\"")
                {
                    isString = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isString = true
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                if depth == 0 {
                    found.append(text[start...index])
                    isLineStart = false
                }
            default: break
            }
            if depth > depthLimit || found.count >= countLimit { return found }
        }
        return found
    }

    static func decode<Value: Decodable>(_ type: Value.Type, _ document: Substring) -> Value? {
        try? JSONDecoder().decode(type, from: Data(document.utf8))
    }
}
