// SPDX-License-Identifier: GPL-3.0-or-later

import DeepSquare
import Ethereum
import Testing

@testable import Agent
@testable import AgentSettings
@testable import StatusViews

@Suite("What check says of what it cannot try")
struct CheckTests {
    /// Nobody listens at the node's port, nor at the agent's socket.
    private static func checks(_ change: (inout AgentConfiguration) -> Void = { _ in }) throws -> Checks {
        var configuration = AgentConfiguration()
        configuration.controlSocket = "/nowhere/control.sock"
        configuration.chain.nodes = [try RPCEndpoint(http: "http://127.0.0.1:9")]
        configuration.chain.keyCredential = "chain-key"
        configuration.chain.contract = Address(hex: "0x3707ab457cf457275b7ec32e203c54df80c299d5")
        change(&configuration)
        return Checks(configuration: configuration, file: nil)
    }

    @Test("a credential that only the service has is not known, and the rest is tried all the same")
    func credential() async throws {
        let found = try await Self.checks().chain()
        let key = try #require(found.first { $0.subject == "key" })
        #expect("\(key.level)" == "unknown" && key.text.hasPrefix("because "))
        #expect(found.contains { $0.subject == "chain" && $0.level == .failure })
        for subject in ["balance", "contract", "provider", "key's use", "sbatch service"] {
            #expect(found.contains { $0.subject == subject && "\($0.level)" == "unknown" }, "\(subject)")
        }
    }

    @Test("of what only the key can try the running agent's word counts, as old as it is; not of another grid")
    func asked() async throws {
        let checks = try Self.checks()
        var status = StatusFixtures.busy
        status.parts = [
            .init(name: "key", level: .ok, text: "0xabc", at: status.now - 30),
            .init(name: "provider", level: .warning, text: "waits for approval", at: status.now - 400),
        ]
        status.grid?.contract = checks.configuration.chain.contract?.checksummed ?? ""
        checks.asked.withLockedValue { [status] in $0 = .success(status) }
        let found = await checks.chain()
        #expect(found.contains(.init(level: .ok, subject: "key", text: "the running agent, 30 s ago: 0xabc")))
        #expect(
            found.contains {
                $0.subject == "provider" && $0.level == .warning && $0.text.contains("the running agent, 6 min")
            })
        status.grid?.contract = "0xanother"
        checks.asked.withLockedValue { [status] in $0 = .success(status) }
        #expect(await checks.chain().first { $0.subject == "key" }?.level == .unknown)
    }

    @Test(
        "until a provider is approved it is said who does something next, and only who has to type something is told what",
        arguments: [
            (.coming, nil, "the agent registers by itself", false), (.sent, nil, "waits for its transaction", false),
            (.waiting, nil, "ask its administrators", false),
            (.unregistered, nil, "with this configuration: systemctl restart slurm-grid-agent", false),
            (.unregistered, "not registered", "slurm-grid-agent provider register", true),
            (.banned, nil, "ask its administrators", false), (.unknown, nil, "no node has answered", false),
        ] as [(ProviderStanding, String?, String, Bool)])
    func provider(_ standing: ProviderStanding, _ words: String?, _ says: String, _ registers: Bool) {
        let found = Checks.provider(.init(standing: standing, words: words))
        #expect(found.level == .warning && found.text.contains(says), "\(found.text)")
        #expect(found.text.contains("provider register") == registers)
        #expect(Checks.provider(.init(standing: .approved)).level == .ok)
    }

    @Test("a key of another account than the state's is told, with what follows from it")
    func otherAccount() throws {
        let key = try #require(Address(hex: "0x3707ab457cf457275b7ec32e203c54df80c299d5"))
        let bound = try #require(Address(hex: "0x52908400098527886E0F7030069857D2E4169EE7"))
        for (open, level) in [(0, Finding.Level.warning), (3, .failure)] {
            let found = Checks.otherAccount(key, bound, open: open, "/state/chain.sqlite")
            #expect(found.level == level && found.subject == "key")
            #expect(found.text.contains(key.checksummed) && found.text.contains("is of \(bound.checksummed)"))
        }
    }

    @Test("whether the clock is right: who may not ask the kernel asks timedated, and what nobody knows is said once")
    func clock() {
        func host(_ kernel: Bool?, _ service: Bool?, _ file: Bool) -> Bool? {
            HostClock(kernel: { kernel }, service: { service }, hasBeenInTime: { file }).isSynchronised()
        }
        #expect(host(false, true, true) == false && host(nil, false, true) == false && host(nil, true, false) == true)
        #expect(host(nil, nil, true) == true && host(nil, nil, false) == nil)
        func found(_ word: Bool?, isRunning: Bool = true, isContainer: Bool = false) -> Finding? {
            Checks.clock(word, isRunning: isRunning, isContainer: isContainer)
        }
        #expect(found(true) == nil && found(nil) == nil && found(true, isContainer: true) == nil)
        #expect(found(false)?.level == .warning && found(false)?.text.contains("apt install chrony") == true)
        // A container cannot set the clock: nothing that is started in it heals that.
        let inside = found(false, isContainer: true)
        #expect(inside?.level == .warning && inside?.text.contains("there, not here") == true)
        #expect(inside?.text.contains("this host") == false && inside?.text.contains("apt install") == false)
        #expect(found(nil, isRunning: false)?.level == .unknown)
    }

    @Test("a slurm.conf that cannot be used stops nothing else")
    func noSlurm() async throws {
        let checks = try Self.checks { $0.slurmConf = "/nowhere/slurm.conf" }
        let found = await checks.all()
        for subject in ["slurmctld", "slurmdbd", "SPANK plugin", "partition"] {
            #expect(found.contains { $0.subject == subject && $0.level == .unknown }, "\(subject)")
        }
        #expect(found.contains { $0.subject == "chain" })
    }

    @Test("a running agent that waits for slurm.conf tells of a key that is not there, and not in each round")
    func keyBeforeSlurm() async throws {
        var checks = try Self.checks()
        let parts = RunningParts(checks.configuration)
        parts.change { $0.slurmTrouble = .init(description: "there is no slurm.conf") }
        checks.running = parts
        checks.credentials = "/nowhere"
        let found = await checks.chain()
        #expect(found.contains { $0.subject == "key" && $0.level == .failure && $0.text.contains("chain-key") })
        #expect(found.contains { $0.subject == "chain" && $0.level == .unknown })
        checks.isThorough = false
        #expect(await checks.chain().map(\.subject) == ["chain"])
    }

    @Test("what is unknown is no failure")
    func line() {
        let finding = Finding(level: .unknown, subject: "key", text: "because nobody knows")
        #expect(finding.line == "unknown  key             because nobody knows")
    }

    @Test(
        "what the plugin said since slurmctld's start wins over what a file says",
        arguments: [
            (100.0, true, false, "it reports, but slurm.conf names JobCompType=jobcomp/none"),
            (10.0, true, true, "systemctl restart slurmctld"), (10.0, true, false, "ends are seen by polling only"),
            (100.0, false, true, "systemctl restart slurmctld"),
        ])
    func plugins(_ heardAt: Double, _ isHeard: Bool, _ isInFile: Bool, _ words: String) {
        // slurmctld was started at 50.
        let isHeard = Checks.isOfThisStart(isHeard ? heardAt : nil, 150, now: 200)
        #expect(Checks.absence(named: "jobcomp/none", isHeard: isHeard, isInFile: isInFile).contains(words))
    }

    @Test(
        "the last line of slurm.conf counts",
        arguments: [
            ("JobCompType=jobcomp/grid_agent", true), ("  jobcomptype = jobcomp/grid_agent # ours", true),
            ("#JobCompType=jobcomp/grid_agent", false),
            ("JobCompType=jobcomp/grid_agent\nJobCompType=jobcomp/none", false),
            ("JobCompLoc=/x", false),
        ])
    func slurmConf(_ text: String, _ names: Bool) { #expect(Checks.namesPlugin(text) == names) }
}

@Suite("What the log says of the checks")
struct CheckLineTests {
    private static func finding(_ level: Finding.Level, _ subject: String = "partition") -> Finding {
        Finding(level: level, subject: subject, text: "as it is")
    }

    @Test("its level is a word of the line; what is no news is not said again")
    func lines() {
        #expect(
            HealthRounds.line(of: Self.finding(.warning), before: nil)?.text == "check: partition: warning: as it is")
        #expect(HealthRounds.line(of: Self.finding(.ok), before: nil)?.text == "check: partition: as it is")
        #expect(HealthRounds.line(of: Self.finding(.ok), before: [Self.finding(.failure)])?.level == .notice)
        #expect(HealthRounds.line(of: Self.finding(.warning), before: [Self.finding(.warning)]) == nil)
    }

    @Test("an outage of slurmctld and its end are told by who polls it, once each")
    func outage() {
        let (up, down) = (Self.finding(.ok, "slurmctld"), Self.finding(.failure, "slurmctld"))
        #expect(HealthRounds.line(of: down, before: nil)?.level == .error)
        #expect(HealthRounds.line(of: down, before: [up]) == nil)
        #expect(HealthRounds.line(of: up, before: [down]) == nil)
    }

    @Test("a port that somebody has is the agent's only if the agent says that it listens there")
    func portsOfTheAgent() throws {
        let address = try #require(ListenAddress("127.0.0.1:6821"))
        func level(_ listening: [String]?, failing: Bool = false) -> Finding.Level? {
            var status = AgentStatus(version: "1", startedAt: 1, now: 2, health: .ok, summary: "", isReady: true)
            status.listening = listening
            if failing { status.set(.init(name: "bridge.listen", level: .failure, text: "another process has it")) }
            return Checks.port("bridge.listen", address, status)?.level
        }
        #expect(level(["admin.listen", "bridge.listen"]) == .ok)
        #expect(level(["admin.listen"]) == nil, "just started: it has not tried yet, and another process has the port")
        #expect(level(["admin.listen"], failing: true) == .failure)
        #expect(level(nil) == .ok && level(nil, failing: true) == .failure, "an earlier release")
    }
}
