// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import GRDB
import JobLifecycle
import PlanCheck
import Testing

@testable import ClusterBenchmarks

@Suite("Statements of benchmark.sqlite") struct BenchmarkPlanTests {
    /// A run that is over, one that was cancelled, and everything that is asked of them.
    private static func exercise(_ plans: PlanCheck) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "plans-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = try BenchmarkFile.open(
            path: folder.appending(path: "benchmark.sqlite").path, trace: plans.collect)
        defer { file.close() }
        for number in 1...2 {
            let run = try await file.begin(token: "token\(number)") { _ in
                [BenchmarkFile.NewPart(part: .compute, hardware: "1x", job: ([1], 7, "/o"), reason: nil)]
            }
            let part = try #require(try await file.open()?.parts.first)
            try await file.noteSubmitted(part.id)
            let transition: [String: Any] = [
                "sequence": number, "kind": "ended", "final": true, "recorded_at_us": 1, "ledger_job": number,
                "details": [String: String](), "gateway": BenchmarkRunner.gatewayName, "external_id": part.externalID,
                "claim": 1, "start_time": 10, "end_time": 20,
            ]
            let told = try JSONDecoder().decode(
                JobTransition.self, from: JSONSerialization.data(withJSONObject: transition))
            try await file.note([told])
            _ = try await file.labels(before: part.id, .compute, hardware: "1x")
            try await file.finish(
                part.id, .done, labels: ["compute.gflops": "\(number).00"], raw: ["hpl": "x"], message: nil)
            #expect(try await file.cancel() == run)
            try await file.end(run: run)
        }
        #expect(
            try await file.begin(token: "t") { _ in [.init(part: .compute, hardware: "1x", job: ([1], 7, "/o"))] } == 3)
        #expect(try await file.history(limit: 5).first?.parts.first?.expected == 10)
        #expect(try await file.measured()["compute.gflops"]?.value == "2.00")
        #expect(try await file.trends(limit: 5) == ["compute.gflops": [1, 2]])
        #expect(try await file.results(run: 2, []).map(\.content) == ["x"])
        try await file.end(run: 3)
        let run = try await file.begin(token: "posts") { _ in
            [.init(part: .compute, hardware: "1x", job: ([1], 7, "/o"), post: 1, usesComments: true)]
        }
        #expect(try await file.secret(ofRun: run) == "posts")
        let (taken, part) = try await file.take(["hpl": "x"], run: run, number: 1)
        #expect(taken == .taken(1, known: 0))
        #expect(try await file.posted(try #require(part)) == ["hpl": "x"])
        let chunk = try #require(CommentChunk(CommentChunkTests.chunk(0, 1), job: 7, secret: "s"))
        #expect(try await file.take(chunk, of: try #require(part)).answer == "@sga taken 0 1")
        #expect(try await file.isCut(try #require(part)))
    }

    @Test("no statement looks at all rows of a table that grows; every statement in the sources is looked at")
    func scans() async throws {
        let plans = PlanCheck()
        try await Self.exercise(plans)
        let database = try DatabaseQueue()
        try await database.write { database in
            for step in BenchmarkSchema.steps { try database.execute(sql: step.1) }
        }
        // The newest runs are its end, of which as many are read as are asked for.
        let small: Set<String> = ["sqlite_master", "meta", "runs", "runs_open"]
        let scans = try await database.read { try plans.scans($0, small: small) }
        #expect(scans.isEmpty, "\(scans.joined(separator: "\n"))")
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path
        let unrun = try plans.unrun(inSourcesAt: folder + "/../../Sources/ClusterBenchmarks/Runs")
        #expect(unrun.isEmpty, "call these here:\n\(unrun.joined(separator: "\n"))")
    }
}
