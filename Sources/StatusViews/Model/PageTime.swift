// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc

/// Times as the status page shows them: UTC, with how long ago that was.
package struct PageTime {
    /// Unix seconds, as in `AgentStatus`.
    package let now: Int64

    private struct Fields {
        /// `2026-11-21`
        var day: String
        /// `12:03:05`
        var clock: String
        /// As HTTP writes it (RFC 9110 section 5.6.7): `Sat, 21 Nov 2026 12:03:05 GMT`
        var http: String
    }

    /// Of the year 9999.
    private static let lastSecond: Int64 = 253_402_300_799
    private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    private static func fields(_ time: Int64) -> Fields? {
        // Beyond that the C library's years do not fit their own type.
        guard (0...lastSecond).contains(time) else { return nil }
        var seconds = time_t(time)
        var parts = tm()
        guard gmtime_r(&seconds, &parts) != nil else { return nil }
        func digits(_ value: Int32, _ count: Int = 2) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
        }
        let year = digits(parts.tm_year + 1900, 4)
        let clock = [parts.tm_hour, parts.tm_min, parts.tm_sec].map { digits($0) }.joined(separator: ":")
        let (weekday, month) = (weekdays[Int(parts.tm_wday)], months[Int(parts.tm_mon)])
        return Fields(
            day: "\(year)-\(digits(parts.tm_mon + 1))-\(digits(parts.tm_mday))", clock: clock,
            http: "\(weekday), \(digits(parts.tm_mday)) \(month) \(year) \(clock) GMT")
    }

    /// `2026-11-21T12:03:05Z`; nil for what no calendar has.
    package static func iso(_ time: Int64) -> String? {
        fields(time).map { "\($0.day)T\($0.clock)Z" }
    }

    /// `2026-11-21 12:03:05 UTC`
    package static func full(_ time: Int64) -> String {
        fields(time).map { "\($0.day) \($0.clock) UTC" } ?? "an impossible time"
    }

    /// For the header `Date`.
    package static func http(_ time: Int64) -> String? { fields(time)?.http }

    /// `2026-11-21`
    package static func day(_ time: Int64) -> String? { fields(time)?.day }

    /// The time of day, with the day where that is not today's.
    package func short(_ time: Int64) -> String {
        guard let fields = Self.fields(time) else { return "an impossible time" }
        return fields.day == Self.day(now) ? fields.clock : "\(fields.day) \(fields.clock)"
    }

    /// `3 min ago`, `in 12 s`, `now`.
    func relative(_ time: Int64) -> String {
        let (difference, overflow) = now.subtractingReportingOverflow(time)
        guard !overflow, difference != .min else { return "an impossible time away" }
        if difference == 0 { return "now" }
        return difference > 0 ? "\(Self.span(difference)) ago" : "in \(Self.span(-difference))"
    }

    /// A duration in its two largest units: `4 s`, `1 min 5 s`, `2 h 5 min`, `3 d 4 h`.
    package static func span(_ seconds: Int64) -> String {
        let units: [(Int64, String)] = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")]
        guard let first = units.firstIndex(where: { seconds >= $0.0 }) else { return "0 s" }
        let (size, name) = units[first]
        var text = "\(seconds / size) \(name)"
        if first + 1 < units.count {
            let (next, nextName) = units[first + 1]
            let rest = seconds % size / next
            if rest > 0 { text += " \(rest) \(nextName)" }
        }
        return text
    }

    /// Both, for machines as well.
    package func html(_ time: Int64) -> HTML {
        guard let iso = Self.iso(time) else { return "an impossible time" }
        return """
            <time datetime="\(iso)" title="\(iso)">\(short(time))</time> <small class="ago">(\(relative(time)))</small>
            """
    }
}
