// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import JobLifecycle
import Testing

@testable import ClusterBenchmarks

@Suite("What a job posts") struct ResultPostTests {
    @Test(
        "where it is posted",
        arguments: [
            ("/benchmark/3/1", 3, 1), ("/benchmark/03/12", 3, 12), ("/benchmark/0/0", 0, 0),
        ] as [(String, Int64, Int64)])
    func targets(_ path: String, _ run: Int64, _ number: Int64) {
        #expect(ResultPost.Target(path) == ResultPost.Target(ResultPost.Target.path(run: run, number: number)))
        #expect(ResultPost.Target(path)?.run == run && ResultPost.Target(path)?.number == number)
    }

    @Test(
        "and where nothing is",
        arguments: [
            "", "/", "/benchmark", "/benchmark/1", "/benchmark/1/", "/benchmark/1/2/3", "/benchmark/-1/2",
            "/benchmark/+1/2",
            "/benchmark/a/2", "/other/1/2", "//benchmark/1/2", "/benchmark/99999999999999999999/1", "/benchmark/1/2?x",
            "/benchmark/1/" + String(repeating: "1", count: 200),
        ])
    func noTargets(_ path: String) { #expect(ResultPost.Target(path) == nil) }

    @Test(
        "who may post: who knows the secret of a run that is under way",
        arguments: [
            ("Bearer secret", "secret", true), ("Bearer secreT", "secret", false), ("Bearer secre", "secret", false),
            ("Bearer secretsecret", "secret", false), ("bearer secret", "secret", false), ("secret", "secret", false),
            ("Bearer ", "secret", false), ("Bearer ", "", false), (nil, "secret", false), ("Bearer secret", nil, false),
        ] as [(String?, String?, Bool)])
    func secrets(_ given: String?, _ secret: String?, _ isAllowed: Bool) {
        #expect(ResultPost.allows(given, secret: secret) == isAllowed)
    }

    @Test(
        "how far a program is, by its last word",
        arguments: [
            (
                "@sga progress t hpcc 5\nmore\n@sga progress t scratch.fio 45\n",
                PartProgress(name: "scratch.fio", percent: 45)
            ),
            ("\u{1b}[1m@sga progress t hpcc 100", PartProgress(name: "hpcc", percent: 100)),
            ("@sga progress other hpcc 5", nil), ("@sga progress t hpcc 101", nil), ("@sga progress t hpcc -1", nil),
            ("@sga progress t hpcc", nil), ("@sga progress t HP/CC 5", nil), ("x@sga progress t hpcc 5", nil),
            ("", nil),
        ] as [(String, PartProgress?)])
    func progress(_ text: String, _ wanted: PartProgress?) {
        #expect(PartProgress.last(in: text, token: "t") == wanted)
    }
}

extension BenchmarkRunnerTests {
    /// The secret of the run under way, and where its first part posts.
    private func posting(_ runner: BenchmarkRunner, _ stage: Stage) async throws -> (String, ResultPost.Target) {
        await runner.step()
        let order = try #require(try await stage.orders(runner).last)
        let spec = try JobSpec(stored: order.order.request)
        let path = try #require(spec.script.split(separator: "https://head:3000").last?.prefix { $0 != "\"" })
        let target = try #require(ResultPost.Target(String(path)))
        let secret = try #require(try await runner.secret(ofRun: target.run))
        #expect(spec.script.contains("Authorization: Bearer \(secret)") && spec.output == "/dev/null")
        return (secret, target)
    }

    private func runner(_ stage: Stage) throws -> BenchmarkRunner {
        try stage.runner { settings in
            settings.options.folder = ""
            settings.options.posting = .init(address: "head:3000", certificates: nil, trustsNodes: true)
        }
    }

    @Test("posted twice counts once, and the first one counts; it is there after a crash")
    func posted() async throws {
        let stage = try Stage()
        var runner = try runner(stage)
        _ = try await runner.begin([.network])
        let (secret, target) = try await posting(runner, stage)
        func block(_ value: String) -> String {
            ResultBlocksTests.block("osu-latency", "8 \(value)", token: secret)
        }
        #expect(try await runner.receive(block("2.5"), target, secret: secret).count == .taken)
        runner.close()
        runner = try self.runner(stage)
        defer { runner.close() }
        #expect(try await runner.receive(block("2.5"), target, secret: secret).count == .repeated)
        #expect(try await runner.receive(block("99"), target, secret: secret).count == .repeated)
        let cut = String(ResultBlocksTests.block("osu-bibw", "8 100", token: secret).dropLast(20))
        let answer = try await runner.receive(cut, target, secret: secret)
        #expect(answer.status == 400 && answer.text.contains("osu-bibw: its end is missing"))
        #expect(
            try await runner.receive("@sga progress \(secret) osu-bibw 40\n", target, secret: secret).status == 200)
        let order = try #require(try await stage.orders(runner).last)
        try await stage.tell(runner, order, "running", job: 7, state: "RUNNING", sequence: 5)
        #expect(try await runner.history(limit: 1)[0].parts[0].progress == .init(name: "osu-bibw", percent: 40))
        try await stage.tell(runner, order, "ended", job: 7, state: "COMPLETED", isFinal: true, sequence: 6)
        #expect(await !runner.step())
        let part = try await runner.history(limit: 1)[0].parts[0]
        #expect(part.labels == ["network.p2p.latency.us": "2.50"] && part.state == .done && part.progress == nil)
        #expect(try await runner.results(run: nil, []).map(\.content) == ["8 2.5"])
        // The run is over: nobody has its secret any more.
        #expect(try await runner.secret(ofRun: target.run) == nil)
        #expect(try await runner.receive(block("1"), target, secret: secret).count == .late)
    }

    @Test("what was posted before the time limit counts, and the reason is told")
    func postedAndEnded() async throws {
        let stage = try Stage()
        let runner = try runner(stage)
        defer { runner.close() }
        for (posts, status, words) in [
            (true, UInt32(0), "the job ended as TIMEOUT"), (false, 0, "the job's output has no result"),
            (false, BenchmarkScript.cannotPost << 8, "public-address"),
            (false, BenchmarkScript.lacksCurl << 8, "no curl on the node"),
        ] as [(Bool, UInt32, String)] {
            _ = try await runner.begin([.network])
            let (secret, target) = try await posting(runner, stage)
            if posts {
                let block = ResultBlocksTests.block("osu-latency", "8 2.5", token: secret)
                #expect(try await runner.receive(block, target, secret: secret).status == 200)
            }
            let order = try #require(try await stage.orders(runner).last)
            try await stage.tell(
                runner, order, "ended", job: 7, state: "TIMEOUT", isFinal: true, exitStatus: status)
            #expect(await !runner.step())
            let part = try await runner.history(limit: 1)[0].parts[0]
            #expect(part.state == (posts ? .done : .failed), "\(part)")
            #expect(part.message?.contains(words) == true, "\(part)")
        }
    }

    @Test("a part posts only so much, and only its own")
    func postedTooMuch() async throws {
        let stage = try Stage()
        let runner = try runner(stage)
        defer { runner.close() }
        _ = try await runner.begin([.storage])
        let (secret, target) = try await posting(runner, stage)
        var other = target
        other.number += 1
        let small = ResultBlocksTests.block("a", "x", token: secret)
        #expect(try await runner.receive(small, other, secret: secret).count == .late)
        let large = String(repeating: "x", count: 1 << 20)
        for number in 0..<16 {
            let block = ResultBlocksTests.block("b\(number)", large, token: secret)
            #expect(try await runner.receive(block, target, secret: secret).status == 200)
        }
        #expect(try await runner.receive(small, target, secret: secret).status == 507)
        let order = try #require(try await stage.orders(runner).last)
        try await stage.tell(runner, order, "ended", job: 7, state: "COMPLETED", isFinal: true)
        #expect(await !runner.step())
        // As much is kept as of other parts.
        #expect(try await runner.results(run: nil, []).count == 4)
    }

    @Test("an output that this process cannot read is read by the helper, as its user")
    func helped() async throws {
        for isThere in [true, false] {
            let stage = try Stage()
            let runner = try stage.runner(helper: { [stage] path, user in
                #expect(user == 1001)
                guard isThere else { return nil }
                return OutputFile(text: stage.now.helped[path] ?? "")
            })
            defer { runner.close() }
            _ = try await runner.begin([.network])
            await runner.step()
            let order = try #require(try await stage.orders(runner).last)
            try stage.write(order, ["osu-latency": "8 2.5"])
            stage.change { ($0.helped, $0.outputs) = ($0.outputs, [:]) }
            try await stage.tell(runner, order, "ended", job: 7, state: "FAILED", isFinal: true)
            #expect(await !runner.step())
            let part = try await runner.history(limit: 1)[0].parts[0]
            #expect(part.state == (isThere ? .done : .failed) && part.message?.contains("not there") == !isThere)
        }
    }
}
