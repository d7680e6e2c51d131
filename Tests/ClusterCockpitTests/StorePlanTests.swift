// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import GRDB
import JobLifecycle
import Persistence
import PlanCheck
import Testing

@testable import ClusterCockpit

@Suite("Growth of the gateway's file", .timeLimit(.minutes(5)))
struct StorePlanTests {
    private static func exercise(_ plans: PlanCheck) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "cockpit-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "c.sqlite").path
        let store = try CockpitStore(path: path)
        try await store.queue.write { database in
            database.trace { if case .statement(let statement) = $0 { plans.collect(statement.sql) } }
        }
        try await store.set("a", "1")
        _ = try await store.value("a")
        try await store.bind(["gone"])
        try await store.bind(["main"])
        try await store.save("main", .init(release: .v15, cluster: "lab"))
        _ = try await store.backend("main")
        let site = try await SenderHarness(store: store)
        try await site.tell(.running, job: 1, id: 7, submitted: 90, start: 100, state: .running)
        try await site.tell(.requeued, job: 1, id: 7, submitted: 90, start: 100, end: 110)
        try await site.tell(.restored, job: 1, id: 7, submitted: 90, start: 100, end: 110, state: .running)
        try await store.take(
            [.init(jobID: 7, node: "n1", cores: [0], hardware: NodeHardware(cores: [[0, 1]]))], at: 100_000)
        _ = try await store.openRuns(after: 0, limit: 9)
        _ = try await store.uncaptured(limit: 9)
        _ = try await store.open(at: "main")
        _ = try await store.lane(7, at: "main")
        _ = try await store.dueLanes("main", now: .max, limit: 9)
        _ = try await store.nextDue("main")
        try await store.recall("main", after: 0, confirmedAfter: 0)
        let run = try #require(try await store.runs(ofJob: 7).first)
        #expect(try await store.words(of: run, nodes: ["n1"]).shares["n1"]?.threads == [0, 1])
        try await store.capture(run.id, JobCapture(submitTime: 90))
        try await store.save(.init(run: run.id, row: BackendRow()), at: "main", delaying: 7)
        try await store.delay(7, at: "main", until: 0)
        var published = BackendRow(phase: .running)
        for isThere in [true, false] {
            published.confirmAt = 5
            try await store.save(.init(run: run.id, row: published), at: "main")
            #expect(try await store.unconfirmedCount("main") == 1)
            let entry = try #require(try await store.unconfirmed("main", before: 9, limit: 9).first)
            if isThere {
                try await store.confirm(entry, at: "main")
            } else {
                try await store.again(entry, at: "main", from: .none, reason: "x")
            }
        }
        #expect(try await store.unconfirmedCount("main") == 0)
        try await store.reset(run: run.id, at: "main", to: .none)
        _ = try await store.retry("main", jobID: 7)
        _ = try await store.retry("main")
        try await store.settle(7, at: "main", as: [(run.id, run.sequence)])
        _ = try await store.counts("main")
        _ = try await store.list(jobID: 7, limit: 9)
        _ = try await store.list(limit: 9)
        _ = try await store.known([.init(jobId: 7, startTime: 100)], at: "main")
        try await site.tell(.ended, job: 1, id: 7, submitted: 121, end: 130, state: .cancelled)
        try await store.end(run, at: 120, .failed)
        try await store.adopt(run, backend: "main", backends: ["main"])
        try await store.adopt(
            CockpitRun(jobID: 8, submitTime: 1, startTime: 2, job: "8"), backend: "main", backends: ["main"])
        #expect(CockpitStore.highestTransition(path: path) == 4)
        try await store.reset(run: run.id, at: "main", to: .stopped)
        try await store.settle(7, at: "main", as: [(run.id, .max)])
        try await store.write { try $0.execute(sql: "/* reads all */ UPDATE rows SET open = 0") }
        #expect(try await store.prune(before: 1000) == 1)
        store.close()
        #expect(CockpitStore.highestTransition(path: path + "-not-there") == nil)
    }

    @Test("no statement looks at all rows of a table that grows; every statement in the sources is looked at")
    func scans() async throws {
        let plans = PlanCheck()
        try await Self.exercise(plans)
        let database = try DatabaseQueue()
        try await database.writeWithoutTransaction { try CockpitSchema.migrate($0) }
        let small: Set<String> = ["sqlite_master", "meta", "backends", "runs_open", "runs_uncaptured", "rows_due"]
        let scans = try await database.read { try plans.scans($0, small: small) }
        #expect(scans.isEmpty, "\(scans.joined(separator: "\n"))")
        let sources =
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../../Sources/ClusterCockpit/Store"
        let unrun = try plans.unrun(inSourcesAt: sources)
        #expect(unrun.isEmpty, "call these here:\n\(unrun.joined(separator: "\n"))")
    }

    @Test("a row that goes takes others with it by their indexes")
    func cascades() async throws {
        let database = try DatabaseQueue()
        try await database.writeWithoutTransaction { try CockpitSchema.migrate($0) }
        #expect(try await database.read { try PlanCheck.referencesWithoutIndex($0) } == [])
    }
}
