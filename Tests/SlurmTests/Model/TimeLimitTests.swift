// SPDX-License-Identifier: GPL-3.0-or-later

import CSlurm
import Testing

@testable import Slurm

@Suite struct TimeLimitTests {
    @Test(
        arguments: [
            ("1", 1), ("60", 60), ("90", 90), ("0:30", 1), ("1:00", 1), ("1:01", 2), ("90:00", 90), ("01:30:00", 90),
            ("0:0:1", 1), ("100:00:00", 6000), ("1-0", 1440), ("1-00", 1440), ("2-12", 3600), ("1-2:30", 1590),
            ("7-00:00:00", 10_080), ("1-", 1440), ("90:70", 92), ("1-00:00:01", 1441), ("0-1", 60),
            ("4294967293", 4_294_967_293),
        ] as [(String, UInt32)])
    func reads(_ text: String, _ minutes: UInt32) {
        #expect(TimeLimit(text) == .minutes(minutes))
    }

    @Test(arguments: ["UNLIMITED", "unlimited", "INFINITE", "Infinite", "-1", "0", "0:00", "0-0", "0-", "00:00:00"])
    func readsUnlimited(_ text: String) {
        #expect(TimeLimit(text) == .unlimited)
    }

    @Test(arguments: [
        "", "-", "-2", "-1:00", "--1", "1--2", "Unlim", "1:2:3:4", "1-2:3:4:5", ":", "1:", ":1", "a", "1h", " 1", "1 ",
        "+1", "1.5", "4294967294", "4294967295", "99999999999", "9999999999-0", "１",
    ])
    func refuses(_ text: String) {
        #expect(TimeLimit(text) == nil)
    }

    /// As `scontrol show job` of 22.05.8 prints them.
    @Test(
        arguments: [
            (.minutes(1), "00:01:00"), (.minutes(60), "01:00:00"), (.minutes(1439), "23:59:00"),
            (.minutes(1440), "1-00:00:00"), (.minutes(10_080), "7-00:00:00"), (.minutes(1590), "1-02:30:00"),
            (.unlimited, "UNLIMITED"),
        ] as [(TimeLimit, String)])
    func prints(_ limit: TimeLimit, _ text: String) {
        #expect(limit.description == text)
        #expect(TimeLimit(text) == limit)
    }

    @Test func convertsSlurmsNumbers() {
        #expect(TimeLimit(slurm: cs_NO_VAL) == nil)
        #expect(TimeLimit(slurm: cs_INFINITE) == .unlimited)
        #expect(TimeLimit(slurm: 60) == .minutes(60))
        #expect(TimeLimit(slurm: TimeLimit.maximumMinutes) == .minutes(4_294_967_293))
        #expect(TimeLimit.unlimited.slurmValue == cs_INFINITE)
        #expect(TimeLimit.minutes(60).slurmValue == 60)
    }
}
