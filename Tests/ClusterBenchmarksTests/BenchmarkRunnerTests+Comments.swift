// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import JobLifecycle
import Testing

@testable import ClusterBenchmarks

extension BenchmarkRunnerTests {
    private func runner(_ stage: Stage) throws -> BenchmarkRunner {
        try stage.runner { settings in
            settings.options.folder = ""
            settings.options.usesComments = true
        }
    }

    /// A part whose job 7 runs. -> what its secret is
    private func running(_ runner: BenchmarkRunner, _ stage: Stage) async throws -> (order: OrderRecord, secret: String)
    {
        await runner.step()
        let order = try #require(try await stage.orders(runner).last)
        let spec = try JobSpec(stored: order.order.request)
        #expect(spec.output == "/dev/null" && spec.options.workDirectory == "/tmp")
        let secret = try #require(spec.script.split(separator: "TOKEN='").last?.prefix { $0 != "'" })
        try await stage.tell(runner, order, "running", job: 7, state: "RUNNING", times: (10, 10))
        return (order, String(secret))
    }

    /// What the job would leave, one after the other.
    private func chunks(_ contents: [(String, String)], secret: String, size: Int = 20) throws -> [String] {
        let text = contents.map { "\($0.0) \($0.1.utf8.count)\n\($0.1)" }.joined()
        var rest = Substring(try CommentChunkTests.parcel(text))
        var found: [String] = []
        while !rest.isEmpty {
            let data = rest.prefix(size)
            rest = rest.dropFirst(size)
            found.append(
                CommentChunkTests.chunk(0, Int64(found.count + 1), last: rest.isEmpty, String(data), secret: secret))
        }
        return found
    }

    @Test("a chunk at a time, each answered when it is on the disk; killed at each of them; Slurm away")
    func comments() async throws {
        let stage = try Stage()
        var runner = try runner(stage)
        defer { runner.close() }
        _ = try await runner.begin([.network])
        let (order, secret) = try await running(runner, stage)
        // Its own words, and those of somebody else.
        for text in ["benchmark", "", "@sga chunk 0 1 . \(String(repeating: "0", count: 32)) AAAA"] {
            stage.change { $0.comments[7] = text }
            #expect(await runner.step())
            #expect(stage.now.comments[7] == text)
        }
        for (index, chunk) in try chunks([("osu-latency", "8 2.5"), ("osu-bibw", "8 100")], secret: secret).enumerated()
        {
            stage.change { ($0.comments[7], $0.isAway) = (chunk, true) }
            #expect(await runner.step())
            #expect(await runner.trouble == "away")
            stage.change { $0.isAway = false }
            #expect(await runner.step())
            #expect(stage.now.comments[7] == "@sga taken 0 \(index + 1)")
            #expect(await runner.trouble == nil)
            // The answer did not come to Slurm, and the agent was killed.
            runner.close()
            runner = try self.runner(stage)
            stage.change { $0.comments[7] = chunk }
            #expect(await runner.step())
            #expect(stage.now.comments[7] == "@sga taken 0 \(index + 1)")
        }
        try await stage.tell(runner, order, "ended", job: 7, state: "COMPLETED", isFinal: true)
        #expect(await !runner.step())
        let part = try await runner.history(limit: 1)[0].parts[0]
        #expect(
            part.labels == ["network.p2p.latency.us": "2.50", "network.p2p.bw.mbps": "800.00"] && part.state == .done)
        #expect(part.message == nil, "\(part)")
        #expect(try await runner.results(run: nil, []).map(\.content).sorted() == ["8 100", "8 2.5"])
    }

    @Test(
        "W22: the job ends in the middle: what was there counts, and the reason is told",
        arguments: [
            // Chunks that were taken of so many, whether the next one is there at the end, exit status, and what is said.
            (0, false, UInt32(0), "the job ended as TIMEOUT; the job's output has no result"),
            (1, false, 0, "the job ended as TIMEOUT; the last result came in part"),
            (-1, true, 0, "the job ended as TIMEOUT"), (-1, false, 0, "the last result came in part"),
            (0, false, BenchmarkScript.cannotComment << 8, "could not leave all of its results in its comment"),
            (0, false, BenchmarkScript.lacksClients << 8, "no scontrol, squeue or gzip on the node"),
        ])
    func commentsEnd(_ count: Int, _ isThere: Bool, _ status: UInt32, _ words: String) async throws {
        let stage = try Stage()
        let runner = try runner(stage)
        defer { runner.close() }
        _ = try await runner.begin([.network])
        let (order, secret) = try await running(runner, stage)
        let all = try chunks([("osu-latency", "8 2.5")], secret: secret)
        #expect(all.count > 2)
        for chunk in count < 0 ? all.dropLast() : all.prefix(count) {
            stage.change { $0.comments[7] = chunk }
            #expect(await runner.step())
        }
        stage.change { $0.comments[7] = isThere ? all.last : nil }
        try await stage.tell(runner, order, "ended", job: 7, state: "TIMEOUT", isFinal: true, exitStatus: status)
        #expect(await !runner.step())
        let part = try await runner.history(limit: 1)[0].parts[0]
        #expect(part.state == (isThere ? .done : .failed) && part.message?.contains(words) == true, "\(part)")
        #expect(part.labels == (isThere ? ["network.p2p.latency.us": "2.50"] : [:]))
    }

    @Test(
        "a parcel that cannot be read is answered, so that the job ends, and told; nothing is looked at before the job runs"
    )
    func commentsDamaged() async throws {
        let stage = try Stage()
        let runner = try runner(stage)
        defer { runner.close() }
        _ = try await runner.begin([.network])
        await runner.step()
        let order = try #require(try await stage.orders(runner).last)
        try await stage.tell(runner, order, "submitted", job: 7)
        stage.change { $0.isAway = true }
        #expect(await runner.step())
        #expect(await runner.trouble == nil)
        stage.change { $0.isAway = false }
        let (_, secret) = try await running(runner, stage)
        stage.change { $0.comments[7] = CommentChunkTests.chunk(0, 1, last: true, "AAAA", secret: secret) }
        #expect(await runner.step())
        #expect(stage.now.comments[7] == "@sga taken 0 1")
        // And it is cancelled: what the job says at its end is still answered.
        _ = try await runner.cancel()
        stage.change { $0.comments[7] = CommentChunkTests.chunk(0, 2, secret: secret) }
        #expect(await runner.step())
        #expect(stage.now.comments[7] == "@sga taken 0 2")
    }
}
