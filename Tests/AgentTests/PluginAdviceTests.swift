// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Agent

/// Each piece of advice, read by sites that have something there already.
@Suite("Advice about the plugins")
struct PluginAdviceTests {
    private static let socket = "/run/slurm-grid-agent/events.sock"

    private func advice(
        socket: String = socket, listen: String? = nil, _ change: (inout PluginAdvice.Site) -> Void
    ) -> PluginAdvice {
        var site = PluginAdvice.Site()
        site.pluginFolders = ["/usr/lib/slurm"]
        site.plugstack = "/etc/slurm/plugstack.conf"
        change(&site)
        return PluginAdvice(socket: socket, listen: listen, site: site)
    }

    struct Row: Sendable, CustomTestStringConvertible {
        var testDescription: String
        /// Settings to write, without what explains them.
        var settings: [String]
        var says: [String] = []
        var site: @Sendable (inout PluginAdvice.Site) -> Void
    }

    static let rows = [
        Row(
            testDescription: "nothing there",
            settings: ["JobCompType=jobcomp/grid_agent", "JobCompParams=grid_agent_socket=\(socket)"]
        ) {
            $0.jobCompletion = "jobcomp/none"
            $0.tellsParameters = true
        },
        Row(
            testDescription: "another plugin goes on",
            settings: [
                "JobCompType=jobcomp/grid_agent",
                "JobCompParams=grid_agent_socket=\(socket),grid_agent_chain=jobcomp/elasticsearch",
            ], says: ["jobcomp/elasticsearch goes on", "JobCompLoc", "keep what is in it"]
        ) { $0.jobCompletion = "jobcomp/elasticsearch" },
        Row(
            testDescription: "another plugin with parameters keeps them",
            settings: [
                "JobCompType=jobcomp/grid_agent",
                "JobCompParams=flush_timeout=500,topic=jobs,grid_agent_socket=\(socket),grid_agent_chain=jobcomp/kafka",
            ], says: ["jobcomp/kafka goes on"]
        ) {
            $0.jobCompletion = "jobcomp/kafka"
            $0.parameters = "flush_timeout=500,topic=jobs"
            $0.tellsParameters = true
        },
        Row(testDescription: "ours, with our socket", settings: []) {
            $0.jobCompletion = "jobcomp/grid_agent"
            $0.parameters = "grid_agent_chain=jobcomp/mysql,grid_agent_socket=\(socket)"
            $0.tellsParameters = true
        },
        Row(testDescription: "ours, with the usual socket left out", settings: []) {
            $0.jobCompletion = "jobcomp/grid_agent"
            $0.tellsParameters = true
        },
        Row(testDescription: "ours, of a Slurm that does not tell parameters", settings: []) {
            $0.jobCompletion = "jobcomp/grid_agent"
        },
        Row(
            testDescription: "ours, with another socket and a chain",
            settings: ["JobCompParams=grid_agent_chain=jobcomp/mysql,grid_agent_ring=64,grid_agent_socket=\(socket)"]
        ) {
            $0.jobCompletion = "jobcomp/grid_agent"
            $0.parameters = "grid_agent_socket=/run/old.sock,grid_agent_chain=jobcomp/mysql,grid_agent_ring=64"
            $0.tellsParameters = true
        },
        Row(
            testDescription: "a PluginDir of its own",
            settings: [
                "PluginDir=/opt/slurm/lib:/opt/site/plugins:/usr/lib/slurm", "JobCompType=jobcomp/grid_agent",
                "JobCompParams=grid_agent_socket=\(socket)",
            ]
        ) {
            $0.jobCompletion = "jobcomp/none"
            $0.tellsParameters = true
            $0.pluginFolders = ["/opt/slurm/lib", "/opt/site/plugins"]
            $0.otherFolder = "/usr/lib/slurm"
        },
        Row(
            testDescription: "the package is not there",
            settings: ["JobCompType=jobcomp/grid_agent", "JobCompParams=grid_agent_socket=\(socket)"],
            says: ["First install slurm-grid-agent-plugins"]
        ) {
            $0.isInstalled = false
            $0.tellsParameters = true
        },
    ]

    @Test("slurm.conf", arguments: rows)
    func controller(_ row: Row) {
        let lines = advice(row.site).controller
        let settings = lines.filter { $0.hasPrefix("  ") && !$0.hasPrefix("  (") }.map { String($0.dropFirst(2)) }
        #expect(settings == row.settings)
        let text = lines.joined(separator: "\n")
        for words in row.says { #expect(text.contains(words), "\(text)") }
        #expect(row.settings.isEmpty == lines.isEmpty)
        if !lines.isEmpty { #expect(text.contains("in place of lines that set the same")) }
    }

    @Test("a site that nobody could ask is told how to keep what it has")
    func unknown() {
        let text = PluginAdvice(socket: "/run/a.sock").text
        #expect(text.contains("JobCompParams=grid_agent_socket=/run/a.sock\n"))
        #expect(text.contains("keep it: add ,grid_agent_chain=jobcomp/ITS_NAME"))
        #expect(text.contains("keep what is in it") && text.contains("what is there stays"))
    }

    @Test("plugstack.conf: beside other plugins, among included files, or new")
    func plugstack() {
        let alone = advice { _ in }.spank
        #expect(alone[0].hasPrefix("/etc/slurm/plugstack.conf: a new file"))
        #expect(alone[1] == "  optional spank_grid_agent.so socket=\(Self.socket)")
        let beside = advice {
            $0.plugstackIsThere = true
            $0.plugstackText = "required /usr/lib/slurm/pyxis.so\n"
        }.spank
        #expect(beside[0].hasPrefix("/etc/slurm/plugstack.conf: a line more (what is there stays)"))
        for (include, folder) in [
            ("include /etc/slurm/plugstack.conf.d/*", "/etc/slurm/plugstack.conf.d"),
            ("include plugstack.conf.d/*.conf", "/etc/slurm/plugstack.conf.d"),
        ] {
            let included = advice {
                $0.plugstackIsThere = true
                $0.plugstackText = "# site\n\(include)\n"
            }.spank
            #expect(included[0].hasPrefix("\(folder)/slurm-grid-agent.conf: a file of its own"))
        }
        let elsewhere = advice {
            $0.pluginFolders = ["/opt/slurm/lib"]
            $0.otherFolder = "/usr/lib/slurm"
        }.spank
        #expect(elsewhere[1].hasPrefix("  optional /usr/lib/slurm/spank_grid_agent.so "))
    }

    @Test("between the line and the first word: what is going on and what is typed, not the line again")
    func silent() {
        let written = advice {
            $0.jobCompletion = "jobcomp/none"
            $0.slurmConf = "/etc/slurm/slurm.conf"
        }.silentController
        #expect(written.count == 1 && written[0].contains("slurmctld still runs jobcomp/none"), "\(written)")
        #expect(written[0].contains("systemctl restart slurmctld") && !written[0].contains("JobCompType="))
        let loaded = advice { $0.jobCompletion = PluginAdvice.jobCompletion }.silentController
        #expect(loaded.count == 1 && loaded[0].contains("slurmctld has loaded it"), "\(loaded)")
        let neither = advice { $0.jobCompletion = "jobcomp/none" }
        #expect(neither.silentController == neither.controller && !neither.controller.isEmpty)
        let nodes = advice {
            $0.spankFile = "/etc/slurm/plugstack.conf.d/a.conf"
            $0.spankLine = "optional spank_grid_agent.so"
        }
        #expect(nodes.spank.isEmpty && nodes.silentNodes.count == 1, "\(nodes.silentNodes)")
        #expect(nodes.silentNodes[0].contains("systemctl restart slurmd"))
        #expect(neither.silentNodes == neither.spank && !neither.spank.isEmpty)
    }

    @Test("plugstack.conf that names the plugin already: only what is wrong with it")
    func spankLine() {
        func lines(_ line: String) -> [String] {
            advice {
                $0.spankFile = "/etc/slurm/plugstack.conf"
                $0.spankLine = line
            }.spank
        }
        #expect(lines("optional spank_grid_agent.so").isEmpty)
        #expect(lines("optional spank_grid_agent.so socket=\(Self.socket) steps=yes").isEmpty)
        #expect(lines("optional spank_grid_agent.so controller=10.0.0.1:6821").isEmpty)
        #expect(
            lines("optional spank_grid_agent.so socket=/run/old.sock").last
                == "  optional spank_grid_agent.so socket=\(Self.socket)")
        #expect(lines("required spank_grid_agent.so").first?.contains("`optional spank_grid_agent.so`") == true)
    }

    @Test(
        "other hosts: the address that the agent listens at, or what to set first",
        arguments: [
            (nil, "once bridge.listen is set", "controller=ADDRESS:PORT"),
            ("10.0.0.1:7000", "on other hosts:", "controller=10.0.0.1:7000"),
            ("0.0.0.0:7000", "with a numeric address of this host", "controller=ADDRESS:7000"),
            ("[fd00::1]:7000", "on other hosts:", "controller=[fd00::1]:7000"),
        ] as [(String?, String, String)])
    func hosts(_ listen: String?, _ words: String, _ argument: String) {
        let text = advice(listen: listen) { _ in }.spank.joined(separator: "\n")
        #expect(text.contains(words) && text.hasSuffix(argument), "\(text)")
    }

    @Test(arguments: [("22.05.8", false), ("24.05.1", false), ("24.11.0", true), ("25.05.1", true), ("", false)])
    func releasesThatTellParameters(_ version: String, _ tells: Bool) {
        #expect(PluginAdvice.Site.tellsParameters(version) == tells)
    }
}
