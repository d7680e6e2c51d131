// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials

/// A message as cc-backend takes jobs by NATS: lines of InfluxDB's protocol, a request of the REST interface in each. The lines
/// of one message are handled in order, those of several are not.
enum JobEventLines {
    /// - Parameter time: Unix nanoseconds, which must not be 0.
    static func start(_ message: StartMessage, time: Int64) throws(CockpitError) -> [UInt8] {
        try line("start_job", message, time)
    }

    static func stop(_ message: StopMessage, time: Int64) throws(CockpitError) -> [UInt8] {
        try line("stop_job", message, time)
    }

    private static func line(_ function: String, _ message: some Encodable, _ time: Int64) throws(CockpitError)
        -> [UInt8]
    {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        let body: Data
        do {
            body = try encoder.encode(message)
        } catch {
            throw CockpitError(.malformed, "a message cannot be written: \(error)")
        }
        var line = Array("job,function=\(function) event=\"".utf8)
        line.reserveCapacity(line.count + body.count * 5 / 4)
        // JSON has no line break of its own; a field has no other escapes than these.
        for byte in body {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { line.append(UInt8(ascii: "\\")) }
            line.append(byte)
        }
        line += Array("\" \(max(time, 1))\n".utf8)
        return line
    }
}
