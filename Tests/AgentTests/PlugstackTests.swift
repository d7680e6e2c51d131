// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import Glibc
import Testing

@testable import Agent

@Suite("plugstack.conf")
struct PlugstackTests {
    /// plugstack.conf's lines, those of plugstack.conf.d/10-grid.conf, and the file that names the plugin.
    @Test(
        "the file that names a plugin",
        arguments: [
            ("optional spank_grid_agent.so socket=/run/x", "", "plugstack.conf"),
            ("required\t/usr/lib/slurm/spank_grid_agent.so", "", "plugstack.conf"),
            ("# optional spank_grid_agent.so", "", nil),
            ("optional other.so spank_grid_agent.so", "", nil),
            ("optional", "optional spank_grid_agent.so", nil),
            ("include plugstack.conf.d/*.conf", "optional spank_grid_agent.so", "plugstack.conf.d/10-grid.conf"),
            ("include FOLDER/plugstack.conf.d/*.conf", "optional spank_grid_agent.so", "plugstack.conf.d/10-grid.conf"),
            ("include plugstack.conf.d/*.conf\r\noptional spank_grid_agent.so\r", "", "plugstack.conf"),
            ("include plugstack.conf", "", nil),
            ("include nowhere/*", "optional spank_grid_agent.so", nil),
        ] as [(String, String, String?)])
    func names(lines: String, included: String, expected: String?) throws {
        let folder = FileManager.default.temporaryDirectory.path + "/plugstack-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder + "/plugstack.conf.d", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try Data(lines.replacing("FOLDER", with: folder).utf8).write(to: URL(filePath: folder + "/plugstack.conf"))
        try Data(included.utf8).write(to: URL(filePath: folder + "/plugstack.conf.d/10-grid.conf"))
        #expect(
            Plugstack.search(for: "spank_grid_agent.so", in: folder + "/plugstack.conf")
                == expected.map { .named(in: "\(folder)/\($0)") } ?? .notNamed)
    }

    @Test("a file that is not there names nothing")
    func missing() {
        #expect(Plugstack.search(for: "spank_grid_agent.so", in: "/nonexistent/plugstack.conf") == .notNamed)
    }

    @Test("what cannot be read is not the same as nothing; a pipe and files that include each other hold nothing up")
    func unreadable() throws {
        let folder = FileManager.default.temporaryDirectory.path + "/plugstack-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder + "/d", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let file = folder + "/plugstack.conf"
        func search() -> Plugstack.Answer { Plugstack.search(for: "spank_grid_agent.so", in: file) }
        try Data("include d/*\n".utf8).write(to: URL(filePath: file))
        mkfifo(folder + "/d/1", 0o644)
        guard case .unreadable(let why) = search() else {
            Issue.record("\(search())")
            return
        }
        #expect(why.contains("/d/1: no regular file"))
        // Another file that names it is an answer all the same.
        try Data("optional spank_grid_agent.so\n".utf8).write(to: URL(filePath: folder + "/d/2"))
        #expect(search() == .named(in: folder + "/d/2"))
        unlink(folder + "/d/1")
        for number in 1...20 {
            try Data("include \(folder)/d/*\ninclude \(file)\n".utf8).write(to: URL(filePath: folder + "/d/\(number)"))
        }
        #expect(search() == .notNamed)
    }
}
