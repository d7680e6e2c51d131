// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Slurm

@Suite struct ExitStatusTests {
    /// Raw values and what scontrol of 22.05.8 prints for them.
    @Test(
        arguments: [
            (0x0, 0, 0, "0:0"),
            (0x300, 3, 0, "3:0"),
            (0x8f00, 143, 0, "143:0"),
            (0x9, 0, 9, "0:9"),
            (0xf, 0, 15, "0:15"),
            (0x8b, 0, 11, "0:11"),
            (0xff00, 255, 0, "255:0"),
            // Slurm puts its own error numbers there too: 4021, the job's files could not be opened.
            (0xfb5, 0, 53, "0:53"),
            (0x1_0100, 1, 0, "1:0"),
        ] as [(UInt32, UInt8, UInt8, String)])
    func decodes(_ raw: UInt32, _ code: UInt8, _ signal: UInt8, _ text: String) {
        let exit = ExitStatus(raw: raw)
        #expect(exit.code == code)
        #expect(exit.signal == signal)
        #expect(exit.description == text)
        #expect(exit.isSuccess == (raw == 0))
    }

    @Test(arguments: [.max, 0xffff_ff7f, 0x7f, 0xff] as [UInt32])
    func anyNumberHasHalves(_ raw: UInt32) {
        #expect(!ExitStatus(raw: raw).isSuccess)
        #expect(ExitStatus(raw: raw).signal == 0x7f)
    }
}
