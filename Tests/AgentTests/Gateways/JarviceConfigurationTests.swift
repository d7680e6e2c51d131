// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Jarvice
import JobLifecycle
import Logging
import NIOConcurrencyHelpers
import Slurm
import Testing

@testable import Agent
@testable import AgentSettings
@testable import StatusViews

@Suite("JARVICE configuration")
struct JarviceConfigurationTests {
    private func load(_ environment: [String: String]) throws -> AgentConfiguration {
        try AgentConfiguration.load(file: nil, environment: environment)
    }

    /// As a reference downstream's launch script exports it, with what verifies tokens.
    private let downstream = [
        "JARVICE_BAREMETAL_CONNECTOR": "connectors.slurm.connector", "JARVICE_SYSTEM_REGISTRY": "us-docker.pkg.dev",
        "JARVICE_SYSTEM_REPO_BASE": "jarvice-system/images", "JARVICE_SLURM_CLUSTER_ADDR": "10.0.0.1",
        "JARVICE_SLURM_SSH_PKEY": "c2VjcmV0", "JARVICE_SCHED_SERVER_KEY": "slurm:Pass1234",
        "JARVICE_SINGULARITY_VERBOSE": "true", "JARVICE_SLURM_OVERLAY_SIZE": "640",
        "JARVICE_SINGULARITY_OVERLAY_SIZE": "0", "JARVICE_SLURM_SCRATCH_DIR": "/scratch/$USER",
        "JARVICE_BAREMETAL_HTTP_PROXY": "http://p:1", "JARVICE_SLURM_HTTPS_PROXY": "http://q:1",
        "SLURM_GRID_AGENT_JARVICE_TOKEN_KEYS": "/etc/keys.json", "SLURM_GRID_AGENT_JARVICE_TOKEN_ISSUER": "i",
        "SLURM_GRID_AGENT_JARVICE_TOKEN_AUDIENCE": "a",
    ]

    @Test("an environment that moves over")
    func environment() throws {
        let configuration = try load(downstream)
        let jarvice = configuration.jarvice
        #expect(jarvice.listen?.description == "127.0.0.1:5000")
        #expect(jarvice.serverKey == "slurm:Pass1234")
        let executor = jarvice.settings.executor
        #expect(executor.overlay == 0 && executor.isVerbose && executor.scratch == "/scratch/$USER")
        #expect(executor.httpProxy == "http://p:1" && executor.httpsProxy == "http://q:1")
        #expect(executor.registries.systemRegistry == "us-docker.pkg.dev")
        let notices = configuration.notices.joined(separator: "\n")
        #expect(notices.contains("JARVICE_SLURM_CLUSTER_ADDR has no meaning here"))
        #expect(notices.contains("JARVICE_SLURM_SSH_PKEY has no meaning here"))
        #expect(!notices.contains("c2VjcmV0") && !"\(configuration.effective)".contains("Pass1234"))
    }

    @Test("nothing of it, nothing changes")
    func off() throws {
        let configuration = try load(["JARVICE_JOB_SCRATCH_DIR": ""])
        #expect(!configuration.jarvice.isOn && configuration.jarvice == JarviceConfiguration())
        #expect(configuration == AgentConfiguration())
    }

    @Test(
        "what does not fit together",
        arguments: [
            (["WAITRESS_PORT": "8080", "JARVICE_SCHED_SERVER_KEY": ""], "could end jobs"),
            (["SLURM_GRID_AGENT_JARVICE_TOKEN_KEYS": ""], "cannot be verified"),
            (["SLURM_GRID_AGENT_JARVICE_TOKEN_ISSUER": ""], "whose tokens"),
            (["SLURM_GRID_AGENT_JARVICE_TOKEN_AUDIENCE": ""], "other services"),
            (["JARVICE_SYSTEM_REGISTRY": ""], "init image"), (["JARVICE_LOCAL_REGISTRY": "l"], "local-base"),
            (["JARVICE_BAREMETAL_CONNECTOR": "connectors.pbs.connector"], "not a connector"),
            (["WAITRESS_BIND_ADDRESS": "head"], "numeric"),
            (["SLURM_GRID_AGENT_JARVICE_TLS_CERTIFICATE": "/c"], "jarvice.tls.key"),
            (["SLURM_GRID_AGENT_JARVICE_TOKEN_KEYS": "http://example.org/keys"], "https"),
            (["SLURM_GRID_AGENT_JARVICE_TOKEN_ALGORITHMS": "HS256"], "none of"),
            (
                ["SLURM_GRID_AGENT_JARVICE_LISTEN_SOCKET": "/run/slurm-grid-agent/control.sock"],
                "the path of control.socket too"
            ),
            (["SLURM_GRID_AGENT_BRIDGE_LISTEN": "127.0.0.1:5000"], "each needs a port of its own"),
        ])
    func conflicts(changes: [String: String], words: String) {
        do {
            _ = try load(downstream.merging(changes) { $1 })
            Issue.record("taken: \(changes)")
        } catch {
            #expect("\(error)".contains(words), "\(error)")
        }
    }

    @Test("what it brings to check, status and the page")
    func module() throws {
        let configuration = try load(downstream)
        let module = JarviceModule()
        #expect(module.isUpstream && module.isConfigured(in: configuration))
        #expect(module.interest(in: configuration) == .ownJobs)
        #expect(module.secretKeys(in: configuration) == ["jarvice.server-key"])
        #expect(module.listeners(in: configuration).map(\.key) == ["jarvice.listen"])
        #expect(module.clusterSubjects(in: configuration) == ["jarvice resources"])
        #expect(module.unopened(.init(), configuration) == ["jarvice"])
        var status = AgentStatus(version: "1", startedAt: 1, now: 100, health: .ok, summary: "", isReady: true)
        #expect(
            module.summary(of: status) == nil
                && module.page(of: status, StatusPage(Gateways.all, status: status)).right.isEmpty)
        let word = JarviceGateway.Status(
            counts: JarviceCounts(), refusals: [.init(at: 90, reason: "the <token> is refused")], keyAge: 5, keyCount: 2
        )
        status.take(word, doors: ["jarvice.listen": "taken"], isInsecure: true, isDummy: false)
        #expect(status.parts.map(\.level) == [.warning, .failure] && status.parts[1].text == "taken")
        let page = "\(module.page(of: status, StatusPage(Gateways.all, status: status)).right)"
        #expect(page.contains("the &lt;token&gt; is refused") && page.contains("not verified"))
        let read = try ControlAnswer.decode(AgentStatus.self, ControlServer.json(status))
        #expect(read[JarviceSection.self] == status[JarviceSection.self] && read[JarviceSection.self]?.keys == 2)
        #expect(JarviceCommand.text(try #require(read[JarviceSection.self])).contains("NOT VERIFIED"))
    }

    @Test("the dummy connector needs no tokens and asks nothing of Slurm")
    func dummy() throws {
        let environment = [
            "JARVICE_BAREMETAL_CONNECTOR": "connectors.dummy.connector", "JARVICE_DUMMY_JOB_QUEUED_TIME": "1",
            "JARVICE_DUMMY_JOB_RUNNING_TIME": "2", "JARVICE_DUMMY_JOB_FAILING_PERCENT": "0",
            "JARVICE_DUMMY_JOBS_ARE_INTERACTIVE": "True",
        ]
        let configuration = try load(environment)
        let jarvice = configuration.jarvice
        var wanted = DummyConnector.Settings()
        (wanted.queued, wanted.running, wanted.failingPercent, wanted.isInteractive) = (1, 2, 0, true)
        #expect(jarvice.connector == .dummy && jarvice.dummy == wanted)
        #expect(jarvice.listen?.description == "127.0.0.1:5000")
        #expect(configuration.notices.contains { $0.contains("submits no job") })
        let module = JarviceModule()
        #expect(module.isConfigured(in: configuration) && module.interest(in: configuration) == nil)
        #expect(module.clusterSubjects(in: configuration).isEmpty)
        var status = AgentStatus(version: "1", startedAt: 1, now: 100, health: .ok, summary: "", isReady: true)
        let word = JarviceGateway.Status(counts: JarviceCounts(), refusals: [], keyAge: nil, keyCount: 0)
        status.take(word, doors: [:], isInsecure: false, isDummy: true)
        #expect(status.parts.map(\.level) == [.warning] && status.parts[0].text.contains("no job is submitted"))
        // What its file says is not changed by an environment that moves over.
        let own = try load(environment.merging(["SLURM_GRID_AGENT_JARVICE_CONNECTOR": "dummy"]) { $1 })
        #expect(own.jarvice.connector == .dummy)
        // A password is asked for beyond this host all the same.
        #expect(throws: (any Error).self) { try load(environment.merging(["WAITRESS_PORT": "8080"]) { $1 }) }
    }

    @Test("insecure tokens are loud")
    func insecure() throws {
        let configuration = try load(
            downstream.merging([
                "SLURM_GRID_AGENT_JARVICE_INSECURE_TOKENS": "true", "SLURM_GRID_AGENT_JARVICE_TOKEN_KEYS": "",
            ]) { $1 })
        #expect(configuration.notices.contains { $0.hasPrefix("jarvice.insecure-tokens: tokens are believed") })
        #expect(configuration.jarvice.report.contains { $0.value.contains("NOT VERIFIED") })
    }

    @Test("a request of the ledger with all options is read back")
    func storedOptions() throws {
        var spec = JobSpec(userID: 1000, script: "#!/bin/sh\n", name: "n")
        #expect(!String(decoding: try spec.stored, as: UTF8.self).contains("options"))
        spec.options.nodes = 3
        spec.options.exclusive = .nodes
        spec.options.nice = 9
        spec.options.gpusPerNode = [.init(count: 2, type: "a100"), .init(count: 1)]
        spec.options.gres = "shard:4"
        spec.options.mailEvents = ["begin", "end"]
        spec.options.mailRecipient = "a@example.org"
        spec.options.staysHeld = true
        spec.options.isUnlimited = true
        let again = try JobSpec(stored: try spec.stored)
        #expect(again == spec)
        let request = JobRequest(again)
        #expect(
            request.minimumNodes == 3 && request.maximumNodes == 3 && request.exclusive == .nodes && request.nice == 9)
        #expect(request.gpusPerNode == .init(2, type: "a100", others: [.init(1)]))
        #expect(request.gresPerNode == [GRES(name: "shard", count: 4)])
        #expect(request.mail == .init([.begin, .end], recipient: "a@example.org"))
        #expect(request.timeLimit == .unlimited)
    }

    @Test("a changed user map is read again; one that cannot be read changes nothing")
    func userMap() throws {
        let path = FileManager.default.temporaryDirectory.path + "/users-\(UUID().uuidString.prefix(8)).yaml"
        defer { try? FileManager.default.removeItem(atPath: path) }
        func write(_ text: String) throws {
            try Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
            #expect(chmod(path, 0o644) == 0)
        }
        let told = NIOLockedValueBox((maps: [UserMapping](), troubles: [String?]()))
        let watch = FileWatch(
            paths: [path], name: "map", logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            onTrouble: { why in told.withLockedValue { $0.troubles.append(why) } },
            read: {
                let map = try JarviceFiles.mapping(path)
                told.withLockedValue { $0.maps.append(map) }
            })
        func logins() -> [[String]] { told.withLockedValue { $0.maps.map { $0.entries.map(\.login) } } }
        func troubles() -> [String?] { told.withLockedValue { $0.troubles } }
        try write("users_id_mapping:\n- {mail: a@b, mapped_user: alice}\n")
        watch.look()
        watch.look()
        #expect(logins() == [["alice"]] && troubles() == [nil])
        try write("users_id_mapping:\n- {mail: a@b}\n")
        watch.look()
        watch.look()
        #expect(logins().count == 1 && troubles().count == 2)
        #expect(
            troubles()[1]?.hasSuffix("has no mail and mapped_user; the map that was read before stays in force") == true
        )
        try FileManager.default.removeItem(atPath: path)
        watch.look()
        #expect(logins().count == 1 && troubles().count == 3 && troubles()[2] != nil)
        try write("users_id_mapping:\n- {mail: a@b, mapped_user: bob}\n")
        watch.look()
        #expect(logins() == [["alice"], ["bob"]] && troubles().last == .some(nil))
    }
}
