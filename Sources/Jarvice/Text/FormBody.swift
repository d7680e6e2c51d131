// SPDX-License-Identifier: GPL-3.0-or-later

/// The fields of a form: urlencoded (WHATWG URL, 5.1) or multipart (RFC 7578).
public enum FormBody {
    public struct Malformed: Error, Sendable, Equatable, CustomStringConvertible {
        /// A field of a multipart body is longer than is taken.
        public var isTooLarge = false
        public var description: String
    }

    /// Of one field of a multipart body, in bytes; urlencoded ones have only the body's own limit.
    static let fieldLimit = 500_000
    private static let partLimit = 1_000

    /// - Returns: the first field of this name; nil: there is none, or the body is no form.
    public static func field(_ name: String, contentType: String?, body: [UInt8]) throws(Malformed) -> String? {
        guard let contentType else { return nil }
        let type = PythonText.strip(contentType.prefix { $0 != ";" }).lowercased()
        switch type {
        case "application/x-www-form-urlencoded", "application/x-url-encoded": return urlencoded(name, body)
        case "multipart/form-data":
            guard let boundary = parameter("boundary", of: contentType), (1...200).contains(boundary.utf8.count) else {
                throw Malformed(description: "a multipart body without a boundary")
            }
            return try multipart(name, body, Array(boundary.utf8))
        default: return nil
        }
    }

    private static func urlencoded(_ name: String, _ body: [UInt8]) -> String? {
        for pair in body.split(separator: UInt8(ascii: "&")) {
            let equals = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
            guard PercentText.decode(pair[..<equals], plusIsBlank: true) == name else { continue }
            return PercentText.decode(pair[equals...].dropFirst(), plusIsBlank: true)
        }
        return nil
    }

    // MARK: multipart

    private static func multipart(
        _ name: String, _ body: [UInt8], _ boundary: [UInt8]
    ) throws(Malformed) -> String? {
        let mark = Array("--".utf8) + boundary
        var parts = 0
        var found: String?
        guard var place = find(mark, in: body, from: 0) else { return nil }
        while true {
            place += mark.count
            // The last one ends with two more dashes.
            if body[place...].starts(with: "--".utf8) { return found }
            guard let start = endOfLine(body, place) else { return found }
            parts += 1
            guard parts <= partLimit else { throw Malformed(isTooLarge: true, description: "too many fields") }
            guard let next = find(mark, in: body, from: start) else {
                throw Malformed(description: "a multipart body without its end")
            }
            var end = next - 1
            if end > start, body[end - 1] == 0x0d { end -= 1 }
            try take(body[start..<max(start, end)], name, &found)
            place = next
        }
    }

    private static func take(_ part: ArraySlice<UInt8>, _ name: String, _ found: inout String?) throws(Malformed) {
        var place = part.startIndex
        var disposition: String?
        while let next = endOfLine(part, place) {
            let line = String(decoding: part[place..<next], as: UTF8.self).trimmingEnd
            place = next
            if line.isEmpty { break }
            if line.lowercased().hasPrefix("content-disposition:") { disposition = line }
        }
        guard let disposition, parameter("filename", of: disposition) == nil else { return }
        let content = part[place...]
        guard content.count <= fieldLimit else {
            throw Malformed(isTooLarge: true, description: "a field of more than \(fieldLimit) bytes")
        }
        guard found == nil, parameter("name", of: disposition) == name else { return }
        found = String(decoding: content, as: UTF8.self)
    }

    /// Behind the end of the line; nil: it has none.
    private static func endOfLine(_ bytes: [UInt8], _ place: Int) -> Int? { endOfLine(bytes[...], place) }

    private static func endOfLine(_ bytes: ArraySlice<UInt8>, _ place: Int) -> Int? {
        bytes[place...].firstIndex(of: 0x0a).map { $0 + 1 }
    }

    private static func find(_ mark: [UInt8], in body: [UInt8], from start: Int) -> Int? {
        var place = start
        while place + mark.count <= body.count {
            if place == 0 || body[place - 1] == 0x0a, body[place...].starts(with: mark) { return place }
            guard let next = body[place...].firstIndex(of: 0x0a) else { return nil }
            place = next + 1
        }
        return nil
    }

    /// `name=value` or `name="value"` behind a semicolon.
    static func parameter(_ name: String, of header: String) -> String? {
        var rest = header.drop { $0 != ";" }
        while !rest.isEmpty {
            rest = rest.dropFirst().drop { $0 == " " || $0 == "\t" }
            guard let equals = rest.firstIndex(where: { $0 == "=" || $0 == ";" }), rest[equals] == "=" else {
                rest = rest.drop { $0 != ";" }
                continue
            }
            let key = PythonText.strip(rest[..<equals]).lowercased()
            rest = rest[rest.index(after: equals)...]
            var value = ""
            if rest.first == "\"" {
                rest = rest.dropFirst()
                while let character = rest.first, character != "\"" {
                    rest = rest.dropFirst()
                    guard character == "\\", let escaped = rest.first else {
                        value.append(character)
                        continue
                    }
                    value.append(escaped)
                    rest = rest.dropFirst()
                }
                rest = rest.dropFirst()
            } else {
                value = PythonText.strip(rest.prefix { $0 != ";" })
            }
            if key == name { return value }
            rest = rest.drop { $0 != ";" }
        }
        return nil
    }
}

extension String {
    fileprivate var trimmingEnd: String { PythonText.stripEnd(self) }
}
