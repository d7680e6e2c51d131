// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@testable import Agent

@Suite("timedatectl's word on the clock")
struct TimeServiceTests {
    private func ask(_ script: String, patience: Duration = .seconds(120)) -> Bool? {
        TimeService(command: ["/bin/sh", "-c", script], patience: patience).isSynchronised()
    }

    @Test("yes and no")
    func answers() {
        #expect(ask("echo yes") == true)
        #expect(ask("echo no") == false)
    }

    @Test(
        "an error, something else, silence and a program that is not there are no answer",
        arguments: ["echo yes; exit 1", "echo maybe", "true", "kill -9 $$", "echo yes; echo yes", "exec >&-; exit 0"])
    func noAnswer(_ script: String) {
        #expect(ask(script) == nil)
    }

    @Test("one that does not end, and ignores SIGTERM, is gone afterwards")
    func killed() throws {
        let file = FileManager.default.temporaryDirectory.path + "/time-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: file) }
        #expect(ask("trap '' TERM; echo $$ >\(file); exec sleep 600", patience: .seconds(3)) == nil)
        let text = try String(contentsOfFile: file, encoding: .utf8)
        let pid = try #require(pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)))
        #expect(kill(pid, 0) == -1 && errno == ESRCH)
    }

    @Test("one that does not end is not waited for, and one that cannot be started is no answer")
    func hangs() {
        #expect(ask("exec sleep 600", patience: .milliseconds(100)) == nil)
        #expect(TimeService(command: ["/nowhere/timedatectl"]).isSynchronised() == nil)
    }
}
