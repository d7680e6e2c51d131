// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Agent

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
        #expect(status.summary == "idle: reading slurm.conf" && !status.isReady && status.cluster == nil)
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
