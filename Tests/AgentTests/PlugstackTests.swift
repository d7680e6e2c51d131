// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
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
            Plugstack.file(naming: "spank_grid_agent.so", from: folder + "/plugstack.conf")
                == expected.map { "\(folder)/\($0)" })
    }

    @Test("a file that is not there names nothing")
    func missing() {
        #expect(Plugstack.file(naming: "spank_grid_agent.so", from: "/nonexistent/plugstack.conf") == nil)
    }
}
