// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import Glibc
import Testing
import Waiting

@testable import Slurm

@Suite(.timeLimit(.minutes(1))) struct HelperProcessTests {
    @Test(arguments: [0, 1, 64, 127, 255] as [Int32])
    func exitStatus(_ status: Int32) async throws {
        let (lines, result) = try await FakeHelper("exit \(status)").run()
        #expect(result.ending == .exited(status))
        #expect(result.ending.description == "exit status \(status)")
        #expect(lines.isEmpty && result.said.isEmpty)
    }

    @Test(arguments: [SIGKILL, SIGTERM, SIGSEGV])
    func signal(_ signal: Int32) async throws {
        let (_, result) = try await FakeHelper("ulimit -c 0; kill -\(signal) $$").run()
        #expect(result.ending == .signalled(signal))
        #expect(result.ending.description == "signal \(signal)")
    }

    @Test func isToldItsTask() async throws {
        let (lines, _) = try await FakeHelper("echo \"$@\"; echo \"$SLURM_CONF\"").run(file: "/a/slurm.conf")
        #expect(lines == ["slurm-helper probe /a/slurm.conf", "/a/slurm.conf"])
    }

    @Test func getsNothingOfOurEnvironment() async throws {
        // setenv(3) is nothing for a process whose other tests read the environment: HOME is there, and is none that libslurm needs.
        try #require(getenv("HOME") != nil)
        let (lines, _) = try await FakeHelper("env").run()
        #expect(!lines.contains { $0.hasPrefix("HOME=") })
        #expect(lines.contains { $0.hasPrefix("PATH=") })
    }

    @Test func speaksInLines() async throws {
        let (lines, result) = try await FakeHelper("echo ready; read a; echo \"got $a\"").run(
            answering: ["ready": "one two"])
        #expect(lines == ["ready", "got one two"])
        #expect(result.ending == .exited(0))
    }

    @Test func whatItSaysIsOneLine() async throws {
        let (_, result) = try await FakeHelper("echo 'exe: error: a' >&2; echo 'exe: fatal: b' >&2; exit 1").run()
        #expect(result.said == "a; b")
    }

    @Test func theTimeLimitKillsIt() async throws {
        let file = "/tmp/slurm-grid-agent-test-pid-\(getpid())"
        defer { unlink(file) }
        let started = FakeHelper.self
        let (_, result) = try await started.init("echo $$ > \(file); exec sleep 1000").run(timeout: .milliseconds(300))
        #expect(result.ending == .timedOut)
        let pid = (try? String(contentsOf: URL(filePath: file), encoding: .utf8)).flatMap {
            pid_t($0.prefix { $0.isNumber })
        }
        // Gone, and waited for.
        if let pid { #expect(kill(pid, 0) == -1 && errno == ESRCH) }
    }

    @Test func cancellingKillsIt() async throws {
        let helper = try FakeHelper("echo ready; exec sleep 1000")
        let lines = Lines()
        let task = Task {
            try await HelperProcess(program: helper.program, task: .probe, configurationFile: nil)
                .run(timeout: .seconds(50)) { line, _ in lines.add(line) }
        }
        try await waitUntil { !lines.all.isEmpty }
        task.cancel()
        let error = await #expect(throws: SlurmError.self) { try await task.value }
        #expect(error?.code == .cancelled)
    }

    @Test func aProgramThatIsNotThere() async {
        let error = await #expect(throws: SlurmError.self) {
            try await HelperProcess(
                program: .init(path: "/no/such/program"), task: .probe, configurationFile: nil
            ).run(timeout: .seconds(50)) { _, _ in }
        }
        #expect(error?.code == .helperFailed)
        #expect(error?.message.contains("/no/such/program") == true)
    }

    @Test("Without descriptors for its pipes it is not begun")
    func noRoom() async throws {
        let helper = try FakeHelper("echo begun")
        let lines = Lines()
        var process = HelperProcess(program: helper.program, task: .probe, configurationFile: nil)
        process.hasRoom = { false }
        let starved = process
        let error = await #expect(throws: SlurmError.self) {
            try await starved.run(timeout: .seconds(50)) { line, _ in lines.add(line) }
        }
        #expect(error?.code == .helperFailed && error?.message.contains("RLIMIT_NOFILE") == true && lines.all.isEmpty)
    }

    @Test func manyLines() async throws {
        let (lines, result) = try await FakeHelper("seq 1 200000").run()
        #expect(lines.count == 200_000)
        #expect(lines.first == "1" && lines.last == "200000")
        #expect(result.ending == .exited(0))
    }

    @Test func aLongLine() async throws {
        let (lines, result) = try await FakeHelper("head -c 1000000 /dev/zero | tr '\\0' x; echo; echo after").run()
        #expect(result.ending == .exited(0))
        #expect(lines.map(\.utf8.count) == [1_000_000, 5])
    }

    @Test("Only a line feed ends a line: names of jobs hold what else does in Unicode")
    func otherLineEnds() async throws {
        let (lines, result) = try await FakeHelper(
            "printf 'a\\342\\200\\250b\\302\\205c\\342\\200\\251d\\013e\\014f\\rg\\nlast'"
        ).run()
        #expect(result.ending == .exited(0))
        #expect(lines == ["a\u{2028}b\u{85}c\u{2029}d\u{b}e\u{c}f\rg", "last"])
    }

    @Test("A line without end is an error, not memory without end")
    func anEndlessLine() async throws {
        let helper = try FakeHelper("exec cat /dev/zero")
        let error = await #expect(throws: SlurmError.self) { try await helper.run() }
        #expect(error?.code == .helperFailed)
    }

    @Test func bytesThatAreNoText() async throws {
        let (lines, result) = try await FakeHelper("printf 'a\\377\\000b\\nlast\\n'").run()
        #expect(result.ending == .exited(0))
        #expect(lines.last == "last")
    }

    @Test("A chatty helper is not taken for one that cannot run")
    func muchOnStandardError() async throws {
        let (_, result) = try await FakeHelper(
            "i=0; while [ $i -lt 5000 ]; do echo \"error: line $i of many that libslurm may print\"; i=$((i+1)); done >&2; exit 3"
        ).run()
        #expect(result.ending == .exited(3))
        #expect(result.said.hasPrefix("line 0 of many"))
    }

    @Test("A helper that died before it was answered is told by its end")
    func diesBeforeTheAnswer() async throws {
        let (lines, result) = try await FakeHelper("echo ready; exit 127").run(answering: ["ready": "question"])
        #expect(lines == ["ready"])
        #expect(result.ending == .exited(127))
    }

    @Test(arguments: [
        ("echo 'error: Invalid key: X' >&2; exit 1", "Invalid key: X"),
        ("exit 1", "exit status 1"),
        ("kill -9 $$", "signal 9"),
    ])
    func probeTellsWhatLibslurmSaid(_ script: String, _ words: String) async throws {
        let helper = try FakeHelper(script)
        var configuration = SlurmController.Configuration()
        configuration.helper = helper.program
        let error = await #expect(throws: SlurmError.self) { try await SlurmHelper.probe(configuration) }
        #expect(error?.code == .configuration)
        #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
    }

    @Test func probeNamesTheFileItCannotRead() async {
        var configuration = SlurmController.Configuration()
        configuration.configurationFile = "/no/such/slurm.conf"
        let error = await #expect(throws: SlurmError.self) { try await SlurmHelper.probe(configuration) }
        #expect(error?.code == .configuration && error?.message.contains("/no/such/slurm.conf") == true)
    }

    @Test func probeThatHangs() async throws {
        let helper = try FakeHelper("exec sleep 1000")
        var configuration = SlurmController.Configuration()
        configuration.helper = helper.program
        configuration.probeTimeout = .milliseconds(50)
        let error = await #expect(throws: SlurmError.self) { try await SlurmHelper.probe(configuration) }
        #expect(error?.code == .configuration && error?.message.contains("did not finish") == true)
    }

    @Test(arguments: [[], ["nonsense"], ["probe", "a", "b"]])
    func wrongArguments(_ arguments: [String]) {
        #expect(SlurmHelper.main(arguments) == 64)
    }
}
