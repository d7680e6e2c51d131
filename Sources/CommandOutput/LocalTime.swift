// SPDX-License-Identifier: GPL-3.0-or-later

package import FoundationEssentials
internal import Glibc

package enum LocalTime {
    /// ISO 8601 in the process's time zone, with its offset.
    package static func text(_ date: Date) -> String {
        var seconds = time_t(date.timeIntervalSince1970)
        var fields = tm()
        localtime_r(&seconds, &fields)
        var buffer = [CChar](repeating: 0, count: 64)
        let length = strftime(&buffer, buffer.count, "%Y-%m-%dT%H:%M:%S%z", &fields)
        return String(decoding: buffer.prefix(length).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// Time of day with milliseconds, in the process's time zone.
    package static func clock(microseconds: Int64) -> String {
        var seconds = time_t(microseconds / 1_000_000)
        var fields = tm()
        localtime_r(&seconds, &fields)
        func digits(_ value: Int, _ count: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        let milliseconds = Int(microseconds / 1000 % 1000)
        return [Int(fields.tm_hour), Int(fields.tm_min), Int(fields.tm_sec)].map { digits($0, 2) }
            .joined(separator: ":") + "." + digits(milliseconds, 3)
    }

    /// The time of day; with the day before it when that is not today. Both Unix seconds, in the process's time zone.
    package static func short(_ time: Int64, now: Int64 = Int64(Date().timeIntervalSince1970)) -> String {
        func text(_ time: Int64, _ format: String) -> String {
            var seconds = time_t(time)
            var fields = tm()
            localtime_r(&seconds, &fields)
            var buffer = [CChar](repeating: 0, count: 64)
            let length = strftime(&buffer, buffer.count, format, &fields)
            return String(decoding: buffer.prefix(length).map(UInt8.init(bitPattern:)), as: UTF8.self)
        }
        let isToday = text(time, "%Y-%m-%d") == text(now, "%Y-%m-%d")
        return text(time, isToday ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S")
    }
}
