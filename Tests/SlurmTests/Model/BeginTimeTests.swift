// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import Glibc
import Testing

@testable import Slurm

/// What `sbatch --begin` of 22.05.8 takes and refuses.
@Suite struct BeginTimeTests {
    static let taken = [
        "now", "NOW", "now+60", "now+1hour", "now+2minutes", "now+3days", "now+1week", "now-5", "now + 1 hour",
        "now+90seconds",
        "today", "tomorrow", "midnight", "noon", "fika", "teatime", "16:00", "16:00:30", "4:00PM", "4:00 pm", "12:30am",
        "00:00",
        "0:05", "010134", "12/24", "12/24/27", "12/24-10:00", "12/24/27-10:00:01", "12.24.27", "12.24", "2027-01-02",
        "2027-01-02T03:04", "2027-01-02T03:04:05", "2027-01-02 03:04", "1224", "uts1800000000", "10:00 12/24",
        "12/24 10:00",
        "20:00 tomorrow", "tomorrow 20:00", "tomorrowT20:00", "midnight tomorrow", "noon tomorrow", "2027-02-30",
        "01/01", "0101",
    ]
    static let refused = [
        "", " ", "elevenses", "4pm", "2027-01-02T03:04:05Z", "123456", "24:00", "23:60", "10:00:60", "2027-13-01",
        "monday",
        "now+1.5hours", "now+1h", "now+1m", "now+1d", "now+1min", "now+1foo", "now+", "now*2", "12am", "13:00pm",
        "2027-1-2",
        "soon", "-5", "12/32", "13/01", "10:00 11:00", "12/24 12/25", "1:2:3:4",
    ]

    /// 2026-11-29 17:44:31 UTC.
    private static let now = Date(timeIntervalSince1970: 1_795_974_271)

    @Test(arguments: refused)
    func refuses(_ text: String) {
        #expect(BeginTime.date(text, now: Self.now) == nil)
    }

    /// The function that sbatch calls is exported by libslurm and declared by no header.
    private typealias Parse = @convention(c) (UnsafePointer<CChar>, CInt) -> time_t
    private static let libslurm: Parse? = dlsym(UnsafeMutableRawPointer(bitPattern: 0), "slurm_parse_time").map {
        unsafeBitCast($0, to: Parse.self)
    }

    @Test("as libslurm reads it, where it can be asked", arguments: taken)
    func agrees(_ text: String) throws {
        let before = time(nil)
        let first = try #require(BeginTime.date(text, now: Date(timeIntervalSince1970: Double(before))))
        guard let parse = Self.libslurm else { return }
        let theirs = parse(text, 0)
        let second = try #require(BeginTime.date(text, now: Date(timeIntervalSince1970: Double(time(nil)))))
        #expect(theirs > 0)
        // The clock went on between the three.
        #expect((Int(first.timeIntervalSince1970)...Int(second.timeIntervalSince1970)).contains(theirs), "\(text)")
    }

    @Test(
        "within the minute that is, it is tomorrow's, or next year's",
        arguments: [
            (0, "%H:%M:%S", 86_400), (9, "%H:%M:%S", 86_409), (-31, "%H:%M", 86_369), (29, "%H:%M", 29),
            (-91, "%H:%M", 86_309), (9, "%m/%d-%H:%M:%S", 31_536_009), (29, "%m/%d-%H:%M", 29),
        ])
    func sameMinute(_ offset: Int, _ form: String, _ seconds: Double) throws {
        var (time, parts) = (time_t(Self.now.timeIntervalSince1970) + offset, tm())
        try #require(localtime_r(&time, &parts) != nil)
        var text = [CChar](repeating: 0, count: 64)
        #expect(strftime(&text, text.count, form, &parts) > 0)
        let words = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)
        #expect(BeginTime.date(words, now: Self.now)?.timeIntervalSince(Self.now) == seconds, "\(words)")
    }

    @Test(
        "and Unix seconds, which sbatch takes with uts before them only",
        arguments: [("1800000000", 1_800_000_000), ("uts0", 0), ("now-1800000000", nil), ("99999999999999", nil)]
            as [(String, Double?)])
    func seconds(_ text: String, _ seconds: Double?) {
        #expect(BeginTime.date(text, now: Self.now)?.timeIntervalSince1970 == seconds)
    }
}
