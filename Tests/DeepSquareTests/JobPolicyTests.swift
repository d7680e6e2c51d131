// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing
import Waiting

@testable import DeepSquare
@testable import Ethereum

@Suite("Which jobs are taken")
struct JobPolicyTests {

    struct Case: CustomTestStringConvertible {
        var name: String
        var minutes: UInt64 = 60
        var change: @Sendable (inout JobDefinition) -> Void = { _ in }
        var settings: @Sendable (inout GridSettings) -> Void = { _ in }
        var answer: JobPolicy.Answer

        var testDescription: String { name }
    }

    private static let nothing = JobPolicy.Answer.fail("the job asks for no tasks, no CPUs or no memory")
    private static let uncountable = JobPolicy.Answer.fail("the job asks for more than any cluster can count")
    private static let unwanted = JobPolicy.Answer.refuse("this provider takes no jobs of \(customer.hex)")

    private static func beyond(_ limit: Int, _ what: String, _ wanted: Int) -> JobPolicy.Answer {
        .refuse("this provider takes jobs of up to \(limit) \(what), the job asks for \(wanted)")
    }

    /// The job has 8 CPUs, 8000 MB and 1 GPU.
    static let cases: [Case] = [
        Case(name: "no rules", answer: .fine),
        Case(
            name: "\"0 minutes happens when the locked amount buys less than one minute\"", minutes: 0,
            answer: .fail("the credits do not buy one minute here: ask for more credits")),
        Case(name: "no tasks", change: { $0.tasks = 0 }, answer: nothing),
        Case(name: "no CPUs", change: { $0.cpusPerTask = 0 }, answer: nothing),
        Case(name: "no memory", change: { $0.memoryPerCPU = 0 }, answer: nothing),
        Case(name: "no GPUs is fine", change: { $0.gpus = 0 }, answer: .fine),
        Case(name: "CPUs overflow", change: { $0.tasks = .max }, answer: uncountable),
        Case(
            name: "more CPUs than Slurm counts",
            change: {
                $0.tasks = 1 << 32
                $0.cpusPerTask = 1
            }, answer: uncountable),
        Case(name: "memory overflows", change: { $0.memoryPerCPU = .max }, answer: uncountable),
        Case(name: "more GPUs than Slurm counts", change: { $0.gpus = 1 << 32 }, answer: uncountable),
        Case(name: "denied", settings: { $0.deniedCustomers = [customer] }, answer: unwanted),
        Case(name: "others are denied", settings: { $0.deniedCustomers = [provider] }, answer: .fine),
        Case(name: "allowed", settings: { $0.allowedCustomers = [customer] }, answer: .fine),
        Case(name: "only others are allowed", settings: { $0.allowedCustomers = [provider] }, answer: unwanted),
        Case(
            name: "denied and allowed",
            settings: {
                $0.deniedCustomers = [customer]
                $0.allowedCustomers = [customer]
            }, answer: unwanted),
        Case(name: "minutes at the limit", settings: { $0.maximumMinutes = 60 }, answer: .fine),
        Case(name: "too many minutes", settings: { $0.maximumMinutes = 59 }, answer: beyond(59, "minutes", 60)),
        Case(name: "CPUs at the limit", settings: { $0.maximumCPUs = 8 }, answer: .fine),
        Case(name: "too many CPUs", settings: { $0.maximumCPUs = 7 }, answer: beyond(7, "CPUs", 8)),
        Case(name: "too many GPUs", settings: { $0.maximumGPUs = 0 }, answer: beyond(0, "GPUs", 1)),
        Case(
            name: "too much memory", settings: { $0.maximumMemory = 7999 }, answer: beyond(7999, "MB of memory", 8000)),
    ]

    @Test(arguments: cases)
    func job(_ row: Case) {
        var settings = GridSettings()
        row.settings(&settings)
        var job = definition
        row.change(&job)
        #expect(JobPolicy(settings: settings).check(job, customer: customer, minutes: row.minutes) == row.answer)
    }

    @Test("scripts that can run nowhere")
    func scripts() {
        var settings = GridSettings()
        settings.scriptLimit = 20
        let policy = JobPolicy(settings: settings)
        #expect(policy.check(script: "#!/bin/sh\necho éé") == .fine)
        #expect(policy.check(script: String(repeating: "é", count: 10)) == .fine)
        #expect(
            policy.check(script: String(repeating: "é", count: 10) + "x")
                == .fail("the script has 21 bytes, at most 20 are taken"))
        #expect(policy.check(script: "echo \0") == .fail("the script holds a NUL byte"))
        for empty in ["", " ", "\n\r\n\t"] { #expect(policy.check(script: empty) == .fail("the script is empty")) }
    }

    @Test("\"Unix user = customer address\" in lower case, or as mapped")
    func logins() {
        var settings = GridSettings()
        settings.users = [provider: "alice"]
        let policy = JobPolicy(settings: settings)
        #expect(policy.login(of: customer) == "0x1111111111111111111111111111111111111111")
        #expect(policy.login(of: provider) == "alice")
        #expect(policy.login(of: address(0xab)) == "0x" + String(repeating: "ab", count: 20))
    }

    @Test(
        "users that jobs may run as", arguments: [(0, false), (1, false), (999, false), (1000, true), (70_000, true)])
    func accounts(_ userID: UInt32, _ isFine: Bool) {
        let account = GridAccount(login: "u", userID: userID)
        let answer = JobPolicy(settings: GridSettings()).check(account, login: "u", systemUsers: [])
        #expect(answer == (isFine ? .fine : .refuse("the Unix user u may not run jobs of the grid")))
        // Never root, whatever is configured.
        var settings = GridSettings()
        settings.minimumUserID = 0
        #expect((JobPolicy(settings: settings).check(account, login: "u", systemUsers: []) == .fine) == (userID > 0))
        let own = JobPolicy(settings: settings).check(account, login: "u", systemUsers: [userID])
        #expect(own == .refuse("the Unix user u may not run jobs of the grid"))
    }

    @Test("a customer without a user here")
    func noAccount() {
        #expect(
            JobPolicy(settings: GridSettings()).check(nil, login: customer.hex, systemUsers: [])
                == .refuse("the customer has no Unix user \(customer.hex) on this cluster"))
    }

    @Test("scripts are wrapped as jobs of the grid expect it")
    func wrapping() {
        #expect(
            GridJobRequest.wrap("#SBATCH --x\necho 1")
                == "#!/bin/bash -l\n[ \"$(umask)\" != 0067 ] || umask 0022\ntrue\n#SBATCH --x\necho 1")
        #expect(GridJobRequest.outputMask == 0o067)
    }

    @Test(
        "the output's file is the customer's alone; the script has the umask that it had, or the profile's",
        arguments: [("", "0022"), ("umask 0077", "0077"), ("umask 0007", "0007")])
    func umask(_ profile: String, _ seen: String) throws {
        let folder = try TemporaryFolder()
        try profile.write(toFile: folder.path + "/.bash_profile", atomically: true, encoding: .utf8)
        let script = folder.path + "/script"
        try GridJobRequest.wrap("umask; exit $?\n").write(toFile: script, atomically: true, encoding: .utf8)
        // As slurmd does it.
        let shell = Process()
        shell.executableURL = URL(fileURLWithPath: "/bin/bash")
        shell.arguments = [
            "-c", "umask 0\(String(GridJobRequest.outputMask, radix: 8)); exec bash -l \(script) > \(folder.path)/out",
        ]
        shell.environment = ["HOME": folder.path, "PATH": "/usr/bin:/bin"]
        try shell.run()
        shell.waitUntilExit()
        #expect(try String(contentsOfFile: folder.path + "/out", encoding: .utf8) == seen + "\n")
        let mode = try FileManager.default.attributesOfItem(atPath: folder.path + "/out")[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }
}
