// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Slurm
import Testing

@testable import Agent
@testable import AgentSettings
@testable import DeepSquare
@testable import StatusViews

@Suite("Customers, accounts and QOS in `check`")
struct CustomerCheckTests {
    private static func place(_ login: String, _ account: String? = nil, _ qos: String? = nil) -> GridPlacement {
        GridPlacement(login: login, partition: "main", account: account, qos: qos)
    }

    private static let all: Cluster.Enforcement = [.associations, .limits, .qos]

    struct Row: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var placements: Set<GridPlacement>
        var account: String?
        var qos: String?
        var enforced = CustomerCheckTests.all
        var associations: [Association] = []
        var accounts: Set<String> = ["grid", "Other"]
        var allQOS: Set<String> = ["normal", "low"]
        /// `subject!` where slurmctld refuses the jobs.
        var faults: [String] = []
    }

    private static let alice = Association(user: "alice", account: "grid", isDefault: true, qos: ["normal"])

    static let rows = [
        Row(testDescription: "well", placements: [place("alice")], associations: [alice]),
        Row(
            testDescription: "well, in the account", placements: [place("alice", "GRID", "normal")],
            associations: [alice]),
        Row(testDescription: "no association", placements: [place("alice")], faults: ["associations!"]),
        Row(testDescription: "not enforced", placements: [place("alice")], enforced: []),
        Row(
            testDescription: "in another account", placements: [place("alice", "other")], associations: [alice],
            faults: ["associations!"]),
        Row(
            testDescription: "in another partition", placements: [place("alice")],
            associations: [Association(user: "alice", account: "grid", partition: "gpu")], faults: ["associations!"]),
        Row(
            testDescription: "no such account for all", placements: [], account: "gird", accounts: [],
            faults: ["account!"]),
        Row(
            testDescription: "no such account, not enforced", placements: [], account: "gird", enforced: [],
            accounts: [], faults: ["account"]),
        Row(
            testDescription: "no such account, told once", placements: [place("alice", "gird")],
            associations: [alice], accounts: [], faults: ["account!"]),
        Row(testDescription: "no such QOS", placements: [], qos: "lwo", faults: ["qos!"]),
        Row(
            testDescription: "no such QOS, not enforced", placements: [], qos: "lwo", enforced: [.associations],
            faults: ["qos"]),
        Row(
            testDescription: "a QOS that it may not use", placements: [place("alice", nil, "low")],
            associations: [alice], faults: ["qos!"]),
        Row(
            testDescription: "a QOS of another account", placements: [place("alice", "grid", "low")],
            associations: [alice, Association(user: "alice", account: "Other", qos: ["low"])], faults: ["qos!"]),
        Row(
            testDescription: "QOS not said", placements: [place("alice", nil, "low")],
            associations: [Association(user: "alice", account: "grid", isDefault: true)]),
    ]

    @Test("what slurmctld would refuse", arguments: rows)
    func associations(_ row: Row) {
        let advice = AssociationAdvice(
            placements: row.placements, account: row.account, qos: row.qos, enforced: row.enforced)
        let inventory = AssociationInventory(
            associations: row.associations, accounts: row.accounts, qos: row.allQOS)
        let found = advice.faults(inventory)
        #expect(found.map { $0.subject + ($0.isRefused ? "!" : "") } == row.faults, "\(found)")
        #expect(found.isEmpty || advice.isNeeded)
        #expect(found.allSatisfy { $0.text.contains("sacctmgr") })
    }

    @Test(
        "only a name service that lists all its users can say that nobody has one",
        arguments: [
            ("", true), ("passwd: files\n", true), ("passwd:\tfiles systemd # ldap\n", true),
            ("# passwd: sss\npasswd: compat\n", true), ("passwd: files sss\n", false), ("passwd: files ldap", false),
            ("passwd: files [NOTFOUND=return] sss\n", false), ("passwd: files [!UNAVAIL=return] db\n", true),
            ("group: sss\npasswd: files\n", true),
        ] as [(String, Bool)])
    func sources(_ text: String, _ listsAll: Bool) {
        #expect(NameService.listsAll(text) == listsAll)
    }

    @Test("customers are users whose names are addresses in lower case")
    func customers() {
        let address = "0x" + String(repeating: "ab", count: 20)
        func found(_ logins: [String], _ configuration: String = "passwd: files") -> NameService.Customers {
            NameService.customers(configuration: configuration) { logins.contains(where: $0) }
        }
        #expect(found(["root", address]) == .some && found(["root"]) == .none)
        #expect(found([address.uppercased(), address + "0", "0xnothing"]) == .none)
        #expect(found(["root"], "passwd: files sss") == .unknown)
        // Of this host: whatever it says, it comes to an end.
        #expect(NameService.lists { $0 == "root" })
    }

    @Test("a customer without a Unix user is told of while a job of theirs waits for one, and of nobody else")
    func missed() throws {
        let none = "0x" + String(repeating: "ab", count: 20), some = "0x" + String(repeating: "cd", count: 20)
        func job(_ customer: String, slurmJob: UInt32? = nil, isOver: Bool = false) -> GridStatus.Job {
            .init(
                job: "0x1", claim: 1, customer: customer, slurmJob: slurmJob, minutes: 1, chainStatus: "Scheduled",
                state: "", wasBilledTooMuch: false, isOver: isOver, steps: [])
        }
        let checks = Checks(configuration: AgentConfiguration(), file: nil)
        func missed(_ jobs: GridStatus.Job...) -> Finding? {
            checks.missedCustomers(jobs) { $0.checksummed.lowercased() == none }
        }
        let found = try #require(missed(job(none), job(some)))
        #expect(found.level == .warning && found.subject == "customers")
        #expect(found.text.lowercased().contains("no unix user for \(none), whose jobs wait"))
        #expect(missed(job(some)) == nil && missed(job(none, slurmJob: 7), job(none, isOver: true)) == nil)
        // What a round in between finds takes the place of what a thorough one found, and the next round looks again.
        #expect(HealthRounds.unwell([found]) == ["customers"])
        let up = Finding(level: .ok, subject: "slurmctld", text: "")
        #expect(HealthRounds.kept([found], found: [up, found], again: []).isEmpty)
    }

    @Test("a cluster that refuses every job does not look well")
    func part() {
        var outcomes = GridOutcomes()
        outcomes.lastDay.submitted = 5
        #expect(AgentStatus.Part(outcomes).level == .ok)
        outcomes.inARow = 3
        outcomes.newest = .init(job: "0x1", customer: "0xAb", reason: "no user", at: 1)
        let part = AgentStatus.Part(outcomes)
        #expect(part.level == .warning && part.name == "grid jobs")
        #expect(part.text.contains("no user") && part.text.contains("provider try 0xAb"))
    }

    @Test("`provider try` says who, where and why not")
    func trial() throws {
        var trial = GridTrial(
            customer: "0xAb", placement: Self.place("alice", "grid"), userID: 1001, cpus: 6, memory: 3000, gpus: 0,
            minutes: 30, wouldRun: true, reasons: [], untried: [])
        // As the agent answers, and the command reads it.
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        let line = String(decoding: try encoder.encode(trial), as: UTF8.self)
        #expect(line.contains(#""user_id":1001"#))
        #expect(try ControlAnswer.decode(GridTrial.self, line) == trial)
        let fine = ProviderTryCommand.text(trial)
        #expect(
            fine.contains("alice (uid 1001)") && fine.contains("account    grid") && fine.hasSuffix("It would run."))
        trial.wouldRun = false
        trial.userID = nil
        trial.reasons = ["no\u{1b}user"]
        let bad = ProviderTryCommand.text(trial)
        #expect(bad.contains("who is not there") && bad.hasSuffix("It would not run.") && !bad.contains("\u{1b}"))
        trial.reasons = []
        trial.untried = ["slurmctld does not answer"]
        #expect(ProviderTryCommand.text(trial).hasSuffix("Whether it would run is not known."))
        #expect(throws: (any Error).self) { try ProviderTryCommand.parse(["alice"]) }
        // No more than was asked for.
        let address = "0x52908400098527886E0F7030069857D2E4169EE7"
        func asked(_ words: String...) throws -> UInt64 {
            try ProviderTryCommand.parse(words + [address]).trial.definition.memoryPerCPU
        }
        #expect(try asked() == 1 && asked("--tasks", "3", "--cores", "4") == 1)
        #expect(try asked("--cores", "4", "--memory", "8000") == 2000)
        let size = ControlRequest.Trial(
            customer: "", tasks: 3, cores: 2, memory: 3001, gpus: 1, minutes: 1
        ).definition
        #expect(size.memoryPerCPU == 501 && size.tasks == 3 && size.cpusPerTask == 2 && size.gpus == 1)
        let worst = ControlRequest.Trial(
            customer: "", tasks: .max, cores: .max, memory: .max, gpus: .max, minutes: .max
        ).definition
        #expect(worst.cpus == nil)
    }
}
