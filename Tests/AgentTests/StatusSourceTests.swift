// SPDX-License-Identifier: GPL-3.0-or-later

import Ethereum
import Testing

@testable import Agent
@testable import AgentSettings
@testable import StatusViews

@Suite("What the checks found, as the status has it")
struct StatusSourceTests {
    @Test("one part a subject: the worst of its findings; equals are joined")
    func parts() {
        let findings: [Finding] = [
            Finding(level: .ok, subject: "socket", text: "a"), Finding(level: .ok, subject: "socket", text: "b"),
            Finding(level: .ok, subject: "configuration", text: "file"),
            Finding(level: .warning, subject: "configuration", text: "weak"),
            Finding(level: .ok, subject: "configuration", text: "later"),
            Finding(level: .failure, subject: "slurmctld", text: "is away"),
            Finding(level: .ok, subject: "chain", text: "off: not set"),
        ]
        #expect(
            StatusSource.parts(of: findings) == [
                .init(name: "socket", level: .ok, text: "a; b"),
                .init(name: "configuration", level: .warning, text: "weak"),
                .init(name: "slurmctld", level: .failure, text: "is away"),
                .init(name: "chain", level: .off, text: "off: not set"),
            ])
    }

    @Test("the worst level counts, and what is off is no worse than what is well")
    func levels() {
        #expect([AgentStatus.Level.ok, .failure, .off, .warning].sorted() == [.off, .ok, .warning, .failure])
    }

    @Test("before anything is open it says so")
    func starting() async {
        let parts = RunningParts()
        let source = StatusSource(parts)
        let status = await source.current()
        #expect(status.summary.hasPrefix("starting: ") && status.summary.contains("slurm.conf"))
        #expect(!status.isReady && status.cluster == nil && status.health != .ok)
    }

    @Test("a chain that is configured and not open yet is neither well, nor ready, nor left out")
    func startingChain() async throws {
        let parts = RunningParts(try Self.chain())
        parts.change { $0.isListening = true }
        let status = await StatusSource(parts).current()
        #expect(!status.isReady && status.health != .ok && status.health != .off)
        #expect(status.summary.contains("chain") && !status.summary.contains("no grid is configured"))
    }

    @Test("it starts until all is there or has its trouble; then nobody looks each second")
    func isStarting() {
        let parts = RunningParts()
        #expect(parts.isStarting)
        parts.change { $0.slurmTrouble = .init(description: "there is no slurm.conf") }
        #expect(!parts.isStarting)
        parts.change {
            $0.slurmTrouble = nil
            $0.findings = [Finding(level: .ok, subject: "socket", text: "")]
        }
        #expect(parts.isStarting)
    }

    @Test("what the file says and the agent does not do yet is said, and not that nothing is configured")
    func unapplied() async throws {
        let fresh = try Self.chain()
        let parts = RunningParts(configured: { fresh })
        parts.change {
            $0.findings = [
                Finding(level: .ok, subject: "configuration", text: "/etc/x"),
                Finding(level: .ok, subject: "slurm.conf", text: "cluster physics"),
            ]
        }
        let status = await StatusSource(parts).current()
        let part = try #require(status.parts.first { $0.name == "configuration" })
        #expect(part.level == .warning && part.text.hasSuffix("not in force: systemctl restart slurm-grid-agent"))
        #expect(part.text.contains("the file was changed, and ") && !status.summary.contains("no grid is configured"))
        #expect(status.parts.filter { $0.name == "configuration" }.count == 1)
    }

    @Test("a file with which it would not start again is no configuration that is well, nor one without a grid")
    func unusable() async throws {
        let parts = RunningParts(configured: { () throws(AgentConfiguration.Problem) in
            throw AgentConfiguration.Problem(description: "config.yaml:3: no such key")
        })
        parts.change {
            $0.findings = [
                Finding(level: .ok, subject: "configuration", text: "/etc/x"),
                Finding(level: .ok, subject: "slurm.conf", text: "cluster physics"),
            ]
        }
        let status = await StatusSource(parts).current()
        let part = try #require(status.parts.first { $0.name == "configuration" })
        #expect(part.level == .warning && status.health >= .warning)
        #expect(part.text.hasPrefix("the file was changed and cannot be used: config.yaml:3: no such key: correct it"))
        #expect(!status.summary.contains("no grid is configured"))
        // The fault that keeps it from being read by the checks is the worse one.
        parts.change { $0.findings = [Finding(level: .failure, subject: "configuration", text: "others may write it")] }
        let worse = await StatusSource(parts).current().parts.first { $0.name == "configuration" }
        #expect(worse?.text == "others may write it")
    }

    @Test("of what a reload takes over a reload is said; of nothing nothing; a fault that is known stays")
    func unappliedReload() async throws {
        let running = AgentConfiguration()
        var fresh = running
        #expect(StatusSource.unapplied(Reload(running: running, fresh: fresh)) == nil)
        fresh.logLevel = "debug"
        #expect(
            StatusSource.unapplied(Reload(running: running, fresh: fresh))
                == "the file was changed, and log-level is not in force: systemctl reload slurm-grid-agent")
        let parts = RunningParts(configured: { [fresh] in fresh })
        parts.change { $0.findings = [Finding(level: .failure, subject: "configuration", text: "others may write it")] }
        let status = await StatusSource(parts).current()
        #expect(status.parts.first { $0.name == "configuration" }?.text == "others may write it")
        // As the administrator sees it while the file is as it was: no word of it.
        #expect(await StatusSource(RunningParts()).current().parts.isEmpty)
    }

    @Test("what is awaited goes with what is there, and with its trouble")
    func awaited() async throws {
        let parts = RunningParts(try Self.chain())
        #expect(parts.awaited == [RunningParts.slurm, "chain", "grid", RunningParts.firstLook])
        parts.change { $0.findings = [Finding(level: .ok, subject: "socket", text: "")] }
        #expect(parts.awaited == [RunningParts.slurm, "chain", "grid"])
        parts.change { $0.chainTrouble = .init(description: "no key") }
        #expect(parts.awaited == [RunningParts.slurm] && parts.unopened == [RunningParts.slurm, "chain", "grid"])
        let status = await StatusSource(parts).current()
        #expect(status.health == .failure && !status.isReady)
        parts.change { $0.isEnding = true }
        #expect(parts.awaited.isEmpty)
        #expect(await StatusSource(parts).current().summary.hasPrefix("ending"))
    }

    @Test("each part is as old as what was found; unknown is worse than well, and asks for a look")
    func ages() async {
        let parts = RunningParts()
        parts.change {
            $0.slurmTrouble = .init(description: "none", level: .warning)
            $0.findings = [
                Finding(level: .ok, subject: "socket", text: "a", at: 7),
                Finding(level: .unknown, subject: "balance", text: "because", at: 8),
            ]
        }
        let status = await StatusSource(parts).current()
        #expect(status.parts.first { $0.name == "socket" }?.at == 7)
        #expect(status.parts.first { $0.name == "balance" }?.level == .unknown && status.health == .warning)
    }

    @Test("what monitoring and systemd are shown names the part that is not well", arguments: [true, false])
    func named(_ hasGrid: Bool) {
        var status = StatusFixtures.idle
        status.parts = [
            .init(name: "ledger", level: .ok, text: "open"), .init(name: "clock", level: .warning, text: "is wrong"),
            .init(name: "balance", level: .unknown, text: "because"),
        ]
        func words() -> String {
            status.words(
                awaited: [], hasUpstream: hasGrid, modules: Gateways.all, isEnding: false)
        }
        #expect(
            words().contains("; WARNING clock: is wrong (also not well: balance)")
                && words().contains("no grid is configured") != hasGrid)
        status.parts.remove(at: 1)
        #expect(words().contains("; UNKNOWN balance: because"))
        status.health = .warning
        status.summary = words()
        #expect(
            NagiosReport(Gateways.all, status).line.contains(
                "WARNING - cluster physics: 3 open runs; UNKNOWN balance: because"))
    }

    @Test("a disk that cannot be written fails, whatever else is well; and there is an exit status for each")
    func disk() async {
        let parts = RunningParts()
        parts.change { $0.findings = [Finding(level: .ok, subject: "state folder", text: "/state")] }
        await StorageWatch(folder: "/state", parts: parts) { _ in 1 << 20 }.look()
        let status = await StatusSource(parts).current()
        #expect(status.health == .failure)
        #expect(status.parts.first { $0.name == "state folder" }?.text.contains("the disk is full") == true)
        await StorageWatch(folder: "/state", parts: parts) { _ in 1 << 30 }.look()
        #expect(await StatusSource(parts).current().health == .starting)
        #expect(AgentStatus.Level.allCases.map(StatusCommand.exitStatus) == [nil, nil, nil, 1, 75, nil])
    }

    @Test("what was configured after the start needs a restart, and that is said")
    func stale() async throws {
        let settings = try Self.chain()
        let parts = RunningParts { settings }
        for ask in [{ _ = try await parts.chain() }, { _ = try await parts.grid() }] as [() async throws -> Void] {
            await #expect {
                try await ask()
            } throws: {
                "\($0)".contains("systemctl restart slurm-grid-agent")
            }
        }
    }

    private static func chain() throws -> AgentConfiguration {
        var configuration = AgentConfiguration()
        configuration.chain.nodes = [try RPCEndpoint(http: "http://127.0.0.1:9")]
        configuration.chain.contract = Address(hex: "0x3707ab457cf457275b7ec32e203c54df80c299d5")
        configuration.chain.keyCredential = "chain-key"
        return configuration
    }

    @Test("what keeps it waiting is a failure with its reason, and administrators get the reason too")
    func waiting() async {
        let parts = RunningParts()
        parts.change { $0.slurmTrouble = .init(description: "there is no /etc/slurm/slurm.conf", level: .warning) }
        let status = await StatusSource(parts).current()
        #expect(status.health == .warning && status.summary == "idle: there is no /etc/slurm/slurm.conf")
        await #expect {
            try await parts.ledger()
        } throws: {
            "\($0)".contains("there is no /etc/slurm/slurm.conf")
        }
        await #expect {
            try await parts.chain()
        } throws: {
            "\($0)".contains("metascheduler.endpoint.rpc is not in its configuration")
        }
    }
}

extension StatusSourceTests {
    @Test("a door that nobody can come in at is a failure until it is open; other doors are no worse for it")
    func doors() async {
        let parts = RunningParts()
        parts.door("bridge.listen", "10.0.0.1:6821: address in use")
        parts.door("control.socket", nil)
        let status = await StatusSource(parts).current()
        #expect(status.parts == [.init(name: "bridge.listen", level: .failure, text: "10.0.0.1:6821: address in use")])
        #expect(status.health == .failure)
        parts.door("bridge.listen", nil)
        #expect(await StatusSource(parts).current().parts.isEmpty)
    }

    @Test("of an agent that is ending nothing is to be had, and nobody waits for it")
    func ending() async {
        let parts = RunningParts(patience: .seconds(3600))
        parts.change { $0.isEnding = true }
        await #expect {
            try await parts.ledger()
        } throws: {
            "\($0)".contains("the agent is ending")
        }
    }
}
