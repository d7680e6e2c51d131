// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
package import Logging

/// One fact, as a line of text or JSON. Of bounded size, before and after it is rendered.
package struct LogLine: Sendable, Equatable {
    /// A rendered line has at most so many bytes; what does not fit is cut, or left out and counted as `cut=N`.
    package static let limit = 8192
    private static let messageRoom = 4096
    private static let valueRoom = 2048
    private static let fieldLimit = 64
    /// For `repeated` and `cut`, in either format.
    private static let countRoom = 64
    /// Names that the line itself uses.
    package static let reserved: Set<String> = ["time", "level", "message", "repeated", "cut"]

    package struct Field: Sendable, Equatable {
        package var key: String
        package var value: String
    }

    package let level: Logger.Level
    package let message: String
    /// By name.
    package let fields: [Field]
    /// Fields that were left out.
    package let cut: Int

    package init(_ level: Logger.Level, _ message: String, _ metadata: [String: String] = [:]) {
        self.level = level
        self.message = LogText.cut(message, room: Self.messageRoom)
        var room = Self.limit - self.message.utf8.count
        var fields: [Field] = []
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            let field = Field(key: Self.name(key), value: LogText.cut(value, room: Self.valueRoom))
            let size = field.key.utf8.count + field.value.utf8.count
            guard fields.count < Self.fieldLimit, size <= room else { continue }
            room -= size
            fields.append(field)
        }
        self.fields = fields
        cut = metadata.count - fields.count
    }

    /// Libraries may call their fields as they like.
    private static func name(_ key: String) -> String {
        let plain = key.unicodeScalars.prefix(64).map { scalar -> Character in
            switch scalar {
            case "a"..."z", "A"..."Z", "0"..."9", "_", ".", "-": Character(scalar)
            default: "_"
            }
        }
        let name = String(plain)
        return reserved.contains(name) || name.isEmpty ? "metadata_" + name : name
    }

    /// - Parameters:
    ///   - repeated: how often it happened since it was told last, this time included; 0: it is not repeated.
    ///   - journal: whether the line begins with its priority.
    ///   - time: for JSON; text has none: journald adds it.
    package func rendered(_ format: LogFormat, repeated: Int = 0, journal: Bool, time: LogTime) -> String {
        let begin = journal ? JournalStream.prefix(level) : ""
        switch format {
        case .text: return begin + text(repeated, limit: Self.limit - begin.utf8.count)
        case .json: return begin + json(repeated, time, limit: Self.limit - begin.utf8.count)
        }
    }

    /// Message and fields, for the status.
    package func words(limit: Int) -> String {
        LogText.cut(
            fields.reduce(LogText.message(message, room: limit)) { $0 + " \($1.key)=\(LogText.quoted($1.value))" },
            room: limit)
    }

    private func text(_ repeated: Int, limit: Int) -> String {
        var line = "\(level): " + LogText.message(message, room: Self.messageRoom)
        append(to: &line, limit: limit, repeated) { " \($0.key)=\(LogText.quoted($0.value, room: Self.valueRoom))" }
        return line
    }

    private func json(_ repeated: Int, _ time: LogTime, limit: Int) -> String {
        var line = #"{"time":"\#(time.text)","level":"\#(level)","message":"#
        line += LogText.json(message, room: Self.messageRoom)
        append(to: &line, limit: limit - 1, repeated) {
            ",\"\($0.key)\":" + LogText.json($0.value, room: Self.valueRoom)
        }
        return line + "}"
    }

    /// A field too large for what is left does not keep out those after it: an id is short.
    private func append(to line: inout String, limit: Int, _ repeated: Int, _ render: (Field) -> String) {
        let room = limit - Self.countRoom
        var missing = cut
        for field in fields {
            let piece = render(field)
            if line.utf8.count + piece.utf8.count <= room { line += piece } else { missing += 1 }
        }
        if repeated > 0 { line += render(Field(key: "repeated", value: "\(repeated)")) }
        if missing > 0 { line += render(Field(key: "cut", value: "\(missing)")) }
    }
}

/// A moment, as RFC 3339 has it: `2026-11-21T12:07:29.123Z`.
package struct LogTime: Sendable, Equatable {
    /// Unix time.
    package var seconds: Int64
    package var milliseconds: Int

    package init(seconds: Int64, milliseconds: Int) {
        (self.seconds, self.milliseconds) = (seconds, milliseconds)
    }

    package static var now: LogTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return LogTime(seconds: Int64(time.tv_sec), milliseconds: Int(time.tv_nsec) / 1_000_000)
    }

    package var text: String {
        var seconds = time_t(seconds)
        var fields = tm()
        gmtime_r(&seconds, &fields)
        var buffer = [CChar](repeating: 0, count: 40)
        let length = strftime(&buffer, buffer.count, "%Y-%m-%dT%H:%M:%S", &fields)
        let digits = String(milliseconds)
        return String(decoding: buffer.prefix(length).map(UInt8.init(bitPattern:)), as: UTF8.self) + "."
            + String(repeating: "0", count: max(0, 3 - digits.count)) + digits + "Z"
    }
}
