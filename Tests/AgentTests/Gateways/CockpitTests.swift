// SPDX-License-Identifier: GPL-3.0-or-later

import ClusterCockpit
import Foundation
import JobLifecycle
import Slurm
import Testing

@testable import Agent
@testable import AgentSettings

struct CockpitTests {
    @Test("what running jobs hold of nodes; how one lies on several its totals do not say")
    func loads() throws {
        func run(_ state: String, _ nodes: String?, _ tres: String?) throws -> JobTransition {
            var details: [String: String] = [:]
            details["nodes"] = nodes
            details["tres"] = tres
            return try JSONDecoder().decode(
                JobTransition.self,
                from: JSONSerialization.data(withJSONObject: [
                    "sequence": 0, "kind": "running", "final": false, "recorded_at_us": 1, "ledger_job": 1,
                    "state": state, "details": details,
                ]))
        }
        let loads = NodeLoad.of([
            try run("RUNNING", "n1", "cpu=2,mem=1500M,node=1,billing=2"),
            try run("SUSPENDED", "n1", "cpu=1,mem=1G,node=1,billing=1"),
            try run("RUNNING", "n[2-3]", "cpu=8,mem=4G,node=2"),
            try run("RUNNING", "n4", nil),
            try run("COMPLETED", "n5", "cpu=8,mem=4G"), try run("RUNNING", nil, "cpu=8,mem=4G"),
        ])
        #expect(
            loads == [
                "n1": NodeLoad(jobs: 2, cpus: 3, memory: 2524), "n2": NodeLoad(jobs: 1, cpus: nil, memory: nil),
                "n3": NodeLoad(jobs: 1, cpus: nil, memory: nil), "n4": NodeLoad(jobs: 1, cpus: nil, memory: nil),
            ])
    }

    @Test func syncIsTakenOver() throws {
        let old = """
            {"clustername": "n2", "slurm": {"squeue": "/usr/bin/squeue"}, "cc-backend": {"host": "https://cc.example.org/",
             "apikey": "SECRET"}, "accelerators": {"n2gpu": {"0": "00000000:03:00.0", "10": "00000000:C4:00.0",
             "2": "00000000:84:00.0"}}, "node_regex": "^x$"}
            """
        let imported = try CockpitImport(Array(old.utf8))
        #expect(imported.lines.contains("  backends: {main: 'https://cc.example.org'}"))
        #expect(imported.lines.contains("  cluster: 'n2'"))
        #expect(
            imported.hardware == [
                "accelerators:",
                "  'n2gpu': {'0': '00000000:03:00.0', '2': '00000000:84:00.0', '10': '00000000:C4:00.0'}",
            ])
        #expect(!imported.text.contains("SECRET"))
        #expect(imported.notes.contains { $0.hasPrefix("slurm has no use") })
        #expect(imported.notes.contains { $0.hasPrefix("node_regex has no use") })
        // What it prints is a configuration.
        var configuration = AgentConfiguration()
        try configuration.take(yaml: imported.lines.joined(separator: "\n"), file: "c")
        #expect(configuration.clusterCockpit.backends == [Pair(name: "main", value: "https://cc.example.org")])
        #expect(throws: Never.self) { try configuration.clusterCockpit.check() }
        let table = try HardwareFile.table(imported.hardware.joined(separator: "\n"), file: "h")
        #expect(table.accelerators["n2gpu"]?[10] == "00000000:C4:00.0")
    }

    @Test func adapterIsTakenOver() throws {
        let old =
            #"{"ccRestUrl": "https://cc/api", "ccRestJwt": "SECRET", "ignoreHosts": "l.*", "gpuPciAddrs": {"g": ["A", "B"]}, "natsServer": "x", "slurmPollInterval": 60}"#
        let imported = try CockpitImport(Array(old.utf8))
        #expect(imported.lines.contains("  backends: {main: 'https://cc'}"))
        #expect(imported.hardware == ["accelerators:", "  'g': {'0': 'A', '1': 'B'}"])
        #expect(imported.notes.contains { $0.hasPrefix("slurmPollInterval has no use") })
        #expect(!imported.text.contains("SECRET"))
        for broken in ["", "[]", "{}", "{\"cc-backend\": 3}", "{\"ccRestUrl\": \"\"}"] {
            #expect(throws: CockpitImport.Unreadable.self, "\(broken)") { try CockpitImport(Array(broken.utf8)) }
        }
    }

    @Test func natsIsTakenOverWhereItCarriesTheJobs() throws {
        let nats =
            #""natsServer": "mq", "natsPort": 4333, "natsSubject": "cc.jobs", "natsUser": "u", "natsPassword": "SECRET""#
        let copies = try CockpitImport(Array(#"{"ccRestUrl": "https://cc", \#(nats)}"#.utf8))
        #expect(!copies.text.contains("mq") && copies.notes.contains { $0.hasPrefix("natsServer has no use") })
        let only = try CockpitImport(Array(#"{"ccRestUrl": "https://cc", "ccRestSubmitJobs": false, \#(nats)}"#.utf8))
        #expect(!only.text.contains("SECRET"))
        var configuration = AgentConfiguration()
        try configuration.take(yaml: only.lines.joined(separator: "\n"), file: "c")
        #expect(throws: Never.self) { try configuration.clusterCockpit.check() }
        let backend = try #require(configuration.clusterCockpit.settings(cluster: "c").backends.first)
        #expect(
            backend.nats
                == .init(
                    url: "nats://mq:4333", subject: "cc.jobs", user: "u",
                    secretFile: "/etc/slurm-grid-agent/nats.secret"))
        #expect(CockpitConfiguration().settings(cluster: "c").backends.allSatisfy { $0.nats == nil })
    }

    @Test func aNATSSecretMayBeACredential() throws {
        var configuration = AgentConfiguration()
        try configuration.take(
            yaml: """
                clustercockpit: {backends: {a: 'https://x', b: 'https://y'}, token-files: {a: /t, b: /t}, nats: {a: 'tls://x'},
                 nats-secret-credentials: {a: s}, nats-confirm-after: 5m}
                """, file: "c")
        #expect(throws: Never.self) { try configuration.clusterCockpit.check() }
        let settings = configuration.clusterCockpit.settings(cluster: "c", credentials: "/run/credentials")
        #expect(
            settings.backends.map(\.nats) == [
                .init(url: "tls://x", secretFile: "/run/credentials/s", isCredential: true), nil,
            ])
        #expect(settings.confirmAfter == .seconds(300))
    }

    @Test(arguments: [
        (
            "clustercockpit: {backends: {a: 'https://x'}, token-files: {a: /t}, nats: {b: 'nats://x'}}",
            "there is no backend \"b\""
        ),
        (
            "clustercockpit: {backends: {a: 'https://x'}, token-files: {a: /t}, nats: {a: 'nats://u:p@x'}}",
            "hold no user"
        ),
        (
            "clustercockpit: {backends: {a: 'https://x'}, token-files: {a: /t}, nats: {a: 'nats://x'}, nats-subjects: {a: 'a.>'}}",
            "is not a subject"
        ),
        (
            "clustercockpit: {backends: {a: 'https://x'}, token-files: {a: /t}, nats: {a: 'nats://x'}, nats-users: {a: u}}",
            "the password of \"a\" is missing"
        ),
        (
            "clustercockpit: {backends: {a: 'https://x'}, token-files: {a: /t}, nats-secret-files: {a: /s}}",
            "there is no backend \"a\" in clustercockpit.nats"
        ),
        (
            "clustercockpit: {backends: {a: 'https://x'}, token-files: {a: /t}, nats: {a: 'nats://x'}, nats-secret-files: {a: /s}, nats-secret-credentials: {a: s}}",
            "one of them is enough"
        ),
        ("clustercockpit: {backends: {a: 'https://x'}}", "needs one token"),
        ("clustercockpit: {backends: {a: 'ftp://x'}, token-files: {a: /t}}", "must begin with"),
        ("clustercockpit: {backends: {a: 'https://x/api'}, token-files: {a: /t}}", "leave /api out"),
        ("clustercockpit: {backends: {a: 'https://x'}, token-files: {a: /t}, token-credentials: {a: t}}", "not both"),
        ("clustercockpit: {backends: {a: 'https://x'}, token-files: {a: /t, b: /t}}", "there is no backend \"b\""),
        (
            "clustercockpit: {backends: {a: 'https://x'}, token-files: {a: /t}, ignore-hosts: '('}",
            "not a regular expression"
        ),
        (
            "clustercockpit: {backends: {a: 'https://x'}, token-files: {a: /t}, secret-patterns: ['ok', '(']}",
            "\"(\": not a regular expression"
        ),
        (
            "clustercockpit: {backends: {a: 'https://x'}, token-files: {a: /t}, secret-patterns: ['(token=\\S+)?']}",
            "finds the empty string"
        ),
    ])
    func whatDoesNotFitIsSaid(yaml: String, words: String) throws {
        var configuration = AgentConfiguration()
        try configuration.take(yaml: yaml, file: "c")
        do throws(AgentConfiguration.Conflict) {
            try configuration.clusterCockpit.check()
            Issue.record("nothing is said of \(yaml)")
        } catch {
            #expect(error.text.contains(words), "\(error.text)")
        }
    }

    @Test func nothingIsMadeWhereItIsNotConfigured() {
        #expect(ClusterCockpitModule().interest(in: AgentConfiguration()) == nil)
        #expect(AgentConfiguration().clusterCockpit.notices.isEmpty)
    }

    @Test(
        arguments: [
            ("gpu:2(IDX:0-1)", [0, 1]), ("gpu:a100_1g.5gb:1(IDX:2)", [2]),
            ("gpu:a100:0(IDX:),gpu:a100_1g.5gb:1(IDX:13)", [13]),
            ("gpu:a100:1(IDX:3),shard:2(0/4,2/4)", [3]), ("", []),
        ] as [(String, [UInt32])])
    func indicesOfAllGPUs(text: String, indices: [UInt32]) {
        #expect(SlurmCockpitCluster.gpus(GRES.list(text)) == indices)
        #expect(SlurmCockpitCluster.gpus(GRES.list("gpu:2")) == nil)
        #expect(SlurmCockpitCluster.gpus(nil) == nil)
    }
}
