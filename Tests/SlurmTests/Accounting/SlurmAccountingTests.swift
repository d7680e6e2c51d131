// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import Testing

@testable import Slurm

/// What counts as an answer, with a script in place of the helper.
@Suite(.timeLimit(.minutes(1))) struct SlurmAccountingTests {
    private static let ready = #"echo '{"ready":{}}'; read question"#

    private static func row(_ id: UInt32, name: String = "n") -> String {
        let fields =
            #""id":\#(id),"databaseIndex":7,"name":"\#(name)","userID":1,"groupID":1,"state":3,"exit":{"raw":0},"#
            + #""derivedExit":{"raw":0},"elapsed":5,"suspended":0"#
        return #"echo '{"job":{"_0":{\#(fields)}}}'"#
    }

    private static func end(_ count: Int, authoritative: Bool = true) -> String {
        #"echo '{"end":{"count":\#(count),"authoritative":\#(authoritative)}}'"#
    }

    private func ask(_ lines: String..., timeout: Duration = .seconds(50)) async throws -> AccountingAnswer {
        let helper = try FakeHelper(lines.joined(separator: "\n"))
        return try await SlurmAccounting(timeout: timeout, helper: helper.program).jobs([1, 2])
    }

    @Test func rowsAndTheirCount() async throws {
        let answer = try await ask(Self.ready, Self.row(1), Self.row(2), Self.end(2))
        #expect(answer.jobs.map(\.id) == [1, 2])
        #expect(answer.isAuthoritative)
        #expect(answer.jobs[0].state == JobState(.completed) && answer.jobs[0].elapsed == 5)
    }

    @Test("A job's name may hold what ends a line elsewhere, or be long: its row counts, and so do the others")
    func namesThatEndLines() async throws {
        let names = ["a\u{2028}b", "a\u{85}b", String(repeating: "x", count: 300_000)]
        let rows = names.map { Self.row(1, name: $0) }.joined(separator: "\n")
        let answer = try await ask(Self.ready, rows, Self.row(2), Self.end(4))
        #expect(answer.jobs.map(\.name) == names + ["n"])
    }

    @Test func anEmptyAnswerFromWhoSeesAll() async throws {
        #expect(try await ask(Self.ready, Self.end(0)).jobs.isEmpty)
    }

    @Test func anEmptyAnswerFromWhoMayNotSeeAll() async {
        let error = await #expect(throws: SlurmError.self) {
            try await ask(Self.ready, Self.end(0, authoritative: false))
        }
        #expect(error?.code == .notAuthoritative)
        #expect(error?.message.contains("PrivateData") == true)
    }

    @Test func rowsFromWhoMayNotSeeAllAreTrue() async throws {
        let answer = try await ask(Self.ready, Self.row(1), Self.end(1, authoritative: false))
        #expect(answer.jobs.count == 1 && !answer.isAuthoritative)
    }

    struct Broken: Sendable, CustomTestStringConvertible {
        var name: String
        var script: String
        var says: String

        var testDescription: String { name }
    }

    @Test(arguments: [
        Broken(name: "one row is missing", script: "\(ready)\n\(row(1))\n\(end(2))", says: "ended early"),
        Broken(name: "one row too many", script: "\(ready)\n\(row(1))\n\(row(2))\n\(end(1))", says: "ended early"),
        Broken(name: "no end", script: "\(ready)\n\(row(1))", says: "exit status 0"),
        Broken(name: "an unreadable row", script: "\(ready)\necho '{\"job\":{}}'\n\(end(1))", says: "ended early"),
        Broken(name: "garbage", script: "echo '\u{1}{]'; head -c 100 /dev/zero; exit 0", says: "exit status 0"),
        Broken(name: "nothing", script: "exit 0", says: "exit status 0"),
        Broken(
            name: "symbol lookup error", script: "\(ready)\necho 'exe: symbol lookup error: x' >&2; exit 127",
            says: "127"),
        Broken(name: "dies while it is asked", script: "echo '{\"ready\":{}}'; exit 127", says: "127"),
        Broken(name: "killed", script: "\(ready)\nkill -9 $$", says: "signal 9"),
        Broken(name: "never ready", script: "exit 1", says: "exit status 1"),
    ])
    func isNoAnswer(_ broken: Broken) async {
        let error = await #expect(throws: SlurmError.self) { try await ask(broken.script) }
        #expect(error?.code == .accountingUnavailable)
        #expect(error?.message.contains(broken.says) == true, "\(error?.message ?? "")")
    }

    @Test func whatItSaidIsInTheMessage() async {
        let error = await #expect(throws: SlurmError.self) {
            try await ask(Self.ready, "echo 'exe: symbol lookup error: x' >&2; exit 127")
        }
        #expect(error?.message.contains("symbol lookup error: x") == true)
    }

    @Test func aHangIsNoAnswer() async {
        let error = await #expect(throws: SlurmError.self) {
            try await ask(Self.ready, "exec sleep 1000", timeout: .milliseconds(100))
        }
        #expect(error?.code == .accountingUnavailable)
        #expect(error?.message.contains("did not answer within") == true)
    }

    /// 20 s may pass without a row, however many rows there are: six take 15 s each, or the second never comes.
    @Test(arguments: [false, true])
    func theDeadlineIsOnProgress(_ hangs: Bool) async throws {
        let clock = VirtualClock()
        let row = Self.row(1).replacing("\"id\":1", with: "\"id\":'$id'")
        let helper = try FakeHelper(
            "echo '{\"ready\":{}}'\nread question\nfor id in 1 2 3 4 5 6; do \(row); read go; done\n\(Self.end(6))")
        let lines = Lines()
        let result = try await HelperProcess(
            program: helper.program, task: .accounting, configurationFile: nil, clock: clock
        ).run(silence: .seconds(20)) { line, send in
            lines.add(line)
            let isLast = hangs && lines.all.count == 2
            if !isLast { try await send("on") }
            clock.advance(by: .seconds(isLast ? 20 : 15))
        }
        #expect(result.ending == (hangs ? .timedOut : .exited(0)))
        #expect(lines.all.count == (hangs ? 2 : 8))
    }

    @Test(
        arguments: [
            ("accountingUnavailable", .accountingUnavailable), ("unexpected", .unexpected), ("notFound", .unexpected),
            ("", .unexpected),
        ] as [(String, SlurmError.Code)])
    func failuresAreToldAsTheyAre(_ code: String, _ expected: SlurmError.Code) async {
        let line = #"echo '{"failed":{"code":"\#(code)","message":"why","number":111,"call":"slurmdb_jobs_get"}}'"#
        let error = await #expect(throws: SlurmError.self) { try await ask(Self.ready, Self.row(1), line) }
        #expect(error?.code == expected)
        #expect(error?.message == "why" && error?.number == 111 && error?.call == "slurmdb_jobs_get")
    }

    @Test func theQuestionIsOneLineOfJSON() async throws {
        let helper = try FakeHelper(
            #"""
            echo '{"ready":{}}'
            read -r question
            printf '%s' "$question" | sed 's/"/\\"/g; s/^/{"failed":{"code":"unexpected","number":0,"call":"","message":"/; s/$/"}}/'
            echo
            """#)
        let accounting = SlurmAccounting(helper: helper.program)
        let error = await #expect(throws: SlurmError.self) { try await accounting.jobs([3, 4], submitted: 10...20) }
        let query = try JSONDecoder().decode(AccountingQuery.self, from: Data((error?.message ?? "").utf8))
        #expect(query == AccountingQuery(ids: [3, 4], submittedFrom: 10, submittedTo: 20))
        let second = await #expect(throws: SlurmError.self) { try await accounting.jobs(endedSince: 99) }
        #expect(
            try JSONDecoder().decode(AccountingQuery.self, from: Data((second?.message ?? "").utf8))
                == AccountingQuery(endedSince: 99))
        let third = await #expect(throws: SlurmError.self) { try await accounting.jobs(endedIn: 99...100) }
        #expect(
            try JSONDecoder().decode(AccountingQuery.self, from: Data((third?.message ?? "").utf8))
                == AccountingQuery(endedSince: 99, endedUntil: 100))
    }

    @Test("No ids: no question, not a question for all jobs")
    func noIDs() async throws {
        let accounting = SlurmAccounting(helper: .init(path: "/no/such/program"))
        #expect(try await accounting.jobs([]).jobs.isEmpty)
    }

    /// slurmdbd 22.05.8, `sacctmgr show config`.
    @Test(
        arguments: [
            (
                "SlurmUser              = slurm(64030)\nPrivateData            = none\n",
                ["SlurmUser": "slurm(64030)", "PrivateData": "none"]
            ),
            ("PrivateData = jobs,users", ["PrivateData": "jobs,users"]),
            ("A=b=c\nnonsense\n\n = x", ["A": "b=c", "": "x"]),
        ] as [(String, [String: String])])
    func readsSettings(_ text: String, _ settings: [String: String]) {
        #expect(AccountingHelper.settings(text) == settings)
    }
}
