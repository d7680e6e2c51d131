// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Slurm

@Suite struct JobIDTests {
    @Test(
        arguments: [
            ("1", JobID(1)), ("123", JobID(123)), ("123_4", JobID(123, .arrayTask(4))),
            ("123_0", JobID(123, .arrayTask(0))), ("14+1", JobID(14, .hetComponent(1))),
            ("14+0", JobID(14, .hetComponent(0))), ("4294967293", JobID(4_294_967_293)),
            ("1_4294967293", JobID(1, .arrayTask(4_294_967_293))),
        ])
    func readsAndPrints(_ text: String, _ id: JobID) {
        #expect(JobID(text) == id)
        #expect(id.description == text)
    }

    @Test(arguments: [
        "", "0", "0_1", "-1", "+1", "_1", "1_", "1+", "1_2_3", "1+2+3", "1_2+3", "1_[1-3]", "1.batch", " 1", "1 ", "1a",
        "1_a", "1_-1", "0x1", "1_+2", "4294967294", "4294967295", "4294967296", "99999999999999999999", "1_4294967294",
        "１２", "1_\u{301}2",
    ])
    func refuses(_ text: String) {
        #expect(JobID(text) == nil)
    }

    @Test func readsAPartOfAText() {
        #expect(JobID("job 12_3"[...].dropFirst(4)) == JobID(12, .arrayTask(3)))
    }
}
