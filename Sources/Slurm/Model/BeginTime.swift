// SPDX-License-Identifier: GPL-3.0-or-later

public import FoundationEssentials
internal import Glibc

/// A moment as `sbatch --begin` takes it, in this host's time zone: `16:00`, `4:00PM`, `2027-01-02T03:04`, `12/24/27-10:00`,
/// `now+2hours`, `tomorrow 20:00`, `noon`, `uts1800000000`.
public enum BeginTime {
    /// A time of day alone is the next such time, a day without its year the next such day, a day alone its midnight; each as
    /// Slurm reads it (parse_time.c).
    ///
    /// - Returns: nil when it cannot be read.
    public static func date(_ text: String, now: Date) -> Date? {
        let text = text.trimmingBlanks
        let seconds = Int(now.timeIntervalSince1970)
        if let time = unix(text) { return Date(timeIntervalSince1970: Double(time)) }
        if let offset = offset(text) {
            let (sum, overflow) = seconds.addingReportingOverflow(offset)
            return overflow ? nil : Date(timeIntervalSince1970: Double(sum))
        }
        guard let fields = Fields(text) else { return nil }
        return fields.time(after: time_t(seconds)).map { Date(timeIntervalSince1970: Double($0)) }
    }

    /// `uts1800000000`; and the number alone, which sbatch refuses.
    private static func unix(_ text: String) -> Int? {
        let digits = text.hasPrefix("uts") ? text.dropFirst(3) : text[...]
        guard digits.utf8.allSatisfy(isDigit), text.hasPrefix("uts") || digits.utf8.count > 6 else { return nil }
        return digits.utf8.count <= 12 ? Int(digits) : nil
    }

    /// `now`, `now+60`, `now-2hours`.
    private static func offset(_ text: String) -> Int? {
        let words = text.lowercased()
        guard words.hasPrefix("now") else { return nil }
        var rest = words.dropFirst(3).drop { $0 == " " }
        guard let sign = rest.popFirst() else { return 0 }
        guard sign == "+" || sign == "-" else { return nil }
        rest = rest.drop { $0 == " " }
        let digits = rest.prefix { $0.isASCII && $0.isNumber }
        let units = [
            "": 1, "second": 1, "seconds": 1, "minute": 60, "minutes": 60, "hour": 3600, "hours": 3600, "day": 86_400,
            "days": 86_400, "week": 604_800, "weeks": 604_800,
        ]
        guard digits.utf8.count <= 9, let count = Int(digits),
            let unit = units[String(rest.dropFirst(digits.count).drop { $0 == " " })]
        else { return nil }
        return (sign == "-" ? -1 : 1) * count * unit
    }

    fileprivate static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}

/// A day and a time of day, each of which may be missing.
private struct Fields {
    enum Day {
        case today, tomorrow
        /// Year: nil for the next such day.
        case date(year: Int?, month: Int, day: Int)
    }

    var day: Day?
    /// Seconds after midnight.
    var time: Int?

    init?(_ text: String) {
        // Between day and time stand blanks, T, or - after a day with slashes.
        var words: [Substring] = []
        for word in text.split(separator: " ") {
            if let split = Self.dayAndTime(word) { words += split } else { words.append(word) }
        }
        // "4:00 pm"
        if words.count > 1, let last = words.last?.lowercased(), ["am", "pm"].contains(last) {
            words.removeLast()
            words[words.count - 1] = (words[words.count - 1] + last)[...]
        }
        guard (1...2).contains(words.count) else { return nil }
        for word in words {
            if let time = Self.time(word) {
                guard self.time == nil else { return nil }
                self.time = time
            } else if let day = Self.day(word) {
                guard self.day == nil else { return nil }
                self.day = day
            } else {
                return nil
            }
        }
    }

    private static func dayAndTime(_ word: Substring) -> [Substring]? {
        for separator in ["T", "-"] as [Character] {
            guard let index = word.lastIndex(of: separator) else { continue }
            let (day, time) = (word[..<index], word[word.index(after: index)...])
            if separator == "-", !day.contains("/") && !day.contains(".") { continue }
            if Self.day(day) != nil, Self.time(time) != nil { return [day, time] }
        }
        return nil
    }

    private static func numbers(_ word: Substring, _ separator: Character) -> [Int]? {
        let parts = word.split(separator: separator, omittingEmptySubsequences: false)
        guard parts.allSatisfy({ (1...4).contains($0.utf8.count) && $0.utf8.allSatisfy(BeginTime.isDigit) }) else {
            return nil
        }
        return parts.compactMap { Int($0) }
    }

    private static func time(_ word: Substring) -> Int? {
        switch word.lowercased() {
        case "midnight": return 0
        case "noon": return 12 * 3600
        case "fika": return 15 * 3600
        case "teatime": return 16 * 3600
        default: break
        }
        var clock = word
        var half: Int?
        for (suffix, hours) in [("am", 0), ("pm", 12)] where word.lowercased().hasSuffix(suffix) {
            clock = word.dropLast(2)
            half = hours
        }
        guard let parts = numbers(clock, ":"), (2...3).contains(parts.count), parts[1] < 60,
            parts.count < 3 || parts[2] < 60
        else { return nil }
        var hour = parts[0]
        if let half {
            guard (1...12).contains(hour) else { return nil }
            hour = hour % 12 + half
        }
        guard hour < 24 else { return nil }
        return hour * 3600 + parts[1] * 60 + (parts.count > 2 ? parts[2] : 0)
    }

    private static func day(_ word: Substring) -> Day? {
        switch word.lowercased() {
        case "today": return .today
        case "tomorrow": return .tomorrow
        default: break
        }
        func checked(_ year: Int?, _ month: Int, _ day: Int) -> Day? {
            (1...12).contains(month) && (1...31).contains(day) ? .date(year: year, month: month, day: day) : nil
        }
        if word.utf8.allSatisfy(BeginTime.isDigit), word.utf8.count == 4 || word.utf8.count == 6 {
            let pairs = stride(from: 0, to: word.utf8.count, by: 2).compactMap { Int(word.dropFirst($0).prefix(2)) }
            return checked(pairs.count > 2 ? 2000 + pairs[2] : nil, pairs[0], pairs[1])
        }
        if let parts = numbers(word, "-"), parts.count == 3, word.prefix(while: { $0 != "-" }).utf8.count == 4,
            word.utf8.count == 10
        {
            return checked(parts[0], parts[1], parts[2])
        }
        for separator in ["/", "."] as [Character] {
            guard let parts = numbers(word, separator), (2...3).contains(parts.count) else { continue }
            return checked(parts.count > 2 ? 2000 + parts[2] % 100 : nil, parts[0], parts[1])
        }
        return nil
    }

    func time(after now: time_t) -> time_t? {
        var today = tm()
        var now = now
        guard localtime_r(&now, &today) != nil else { return nil }
        var wanted = today
        switch day {
        case .today, nil: break
        case .tomorrow: wanted.tm_mday += 1
        case .date(let year, let month, let day):
            wanted.tm_year = year.map { Int32(clamping: $0 - 1900) } ?? today.tm_year
            (wanted.tm_mon, wanted.tm_mday) = (Int32(month - 1), Int32(day))
        }
        if let time {
            (wanted.tm_hour, wanted.tm_min, wanted.tm_sec) = (
                Int32(time / 3600), Int32(time / 60 % 60), Int32(time % 60)
            )
        } else {
            (wanted.tm_hour, wanted.tm_min, wanted.tm_sec) = (0, 0, 0)
        }
        func made(_ change: (inout tm) -> Void = { _ in }) -> time_t? {
            var parts = wanted
            change(&parts)
            // The zone's rules say whether that day has summer time.
            parts.tm_isdst = -1
            let time = mktime(&parts)
            return time == -1 ? nil : time
        }
        guard let first = made() else { return nil }
        // sbatch compares minutes: at 16:00:10 the next 16:00:30 is tomorrow's.
        guard first / 60 <= now / 60 else { return first }
        switch day {
        case nil: return made { $0.tm_mday += 1 }
        case .date(nil, _, _): return made { $0.tm_year += 1 }
        default: return first
        }
    }
}

extension String {
    fileprivate var trimmingBlanks: String {
        var text = self[...]
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
