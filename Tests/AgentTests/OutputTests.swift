// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import FoundationEssentials
import Glibc
import Slurm
import Testing

@testable import Agent

@Suite struct OutputTests {
    @Test("what commands end with is documented", arguments: [0, 1, 4, 64, 65, 69, 75, 77, 78])
    func exitStatus(_ status: Int32) {
        #expect(SlurmGridAgent.helpMessage().contains("  \(status)  "))
    }

    @Test(
        arguments: [
            (0, "00:00:00"), (59, "00:00:59"), (60, "00:01:00"), (3_599, "00:59:59"), (86_399, "23:59:59"),
            (86_400, "1-00:00:00"), (694_861, "8-01:01:01"),
        ])
    func clocks(_ seconds: Int, _ text: String) {
        #expect(clock(seconds) == text)
    }

    @Test func readsAScript() throws {
        let path = "/tmp/slurm-grid-agent-script-\(getpid())"
        defer { unlink(path) }
        try Data("#!/bin/sh\necho é\n".utf8).write(to: URL(filePath: path))
        #expect(try ScriptFile.read(path) == "#!/bin/sh\necho é\n")
        try Data([0x23, 0xff, 0x0a]).write(to: URL(filePath: path))
        let error = #expect(throws: SlurmError.self) { try ScriptFile.read(path) }
        #expect(error?.code == .invalidRequest && error?.message.contains("UTF-8") == true)
    }

    @Test(arguments: ["/no/such/script", "/tmp", "/dev/zero"])
    func scriptsThatCannotBeRead(_ path: String) {
        let error = #expect(throws: SlurmError.self) { try ScriptFile.read(path) }
        #expect(error?.code == .invalidRequest)
        #expect(error?.message.hasPrefix("script: ") == true)
    }

    @Test func usersByNumberAndName() throws {
        #expect(try resolveUser("1234") == 1234)
        #expect(try resolveUser("root") == 0)
        let error = #expect(throws: SlurmError.self) { try resolveUser("no-such-\u{1b}user") }
        #expect(error?.code == .invalidRequest && error?.message.contains("\u{1b}") == false)
    }
}
