// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Logging
import NIOConcurrencyHelpers
import Testing
import Waiting

@testable import ClusterCockpit
@testable import JobLifecycle

@Suite("The gateway as a whole", .timeLimit(.minutes(5)))
struct GatewayTests {
    private static func gateway(
        _ folder: URL, _ cluster: FakeCluster, _ backends: [String: FakeBackend]
    ) throws -> ClusterCockpitGateway {
        var settings = CockpitSettings(cluster: "lab")
        settings.backends = backends.keys.sorted().map { .init(name: $0, url: "http://x", tokenFile: "/x") }
        return try ClusterCockpitGateway(
            settings: settings, path: folder.appending(path: "clustercockpit.sqlite").path, cluster: cluster,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            now: { 1_800_000_000_000 }
        ) { backend throws(CockpitError) in
            guard let found = backends[backend.name] else { throw CockpitError(.configuration, "no such backend") }
            return found
        }
    }

    private static func running(_ job: UInt32) -> JobTransition {
        JobTransition(
            sequence: Int64(job), kind: .running, isFinal: false, recordedAt: 100_000_000, source: .controller,
            ledgerJob: 1, job: "\(job)", jobID: job, submitTime: 90, restarts: 0, state: .running, startTime: 100,
            endTime: nil, elapsed: nil, exitStatus: nil, details: JobDetails(), gateway: nil, externalID: nil,
            claim: nil, message: nil, refusal: nil)
    }

    private static func folder() throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appending(path: "cockpit-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder
    }

    @Test("Slurm is asked of a job though no backend was told of it; its first word stays")
    func capturedAtOnce() async throws {
        let folder = try Self.folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let (cluster, backend) = (FakeCluster(), FakeBackend())
        let gateway = try Self.gateway(folder, cluster, ["main": backend])
        cluster.state.withLockedValue { state in
            state.captures[7] = JobCapture(submitTime: 90, nodes: [.init(name: "n1", cores: [0], gpus: [1])])
        }
        let delivered = try await gateway.deliver([Self.running(7), Self.running(8)])
        #expect(delivered.count == 2)
        cluster.state.withLockedValue { $0.isAway = true }
        let away = await gateway.capture(limit: 9)
        #expect(away.asked == 0 && away.failed)
        cluster.state.withLockedValue { $0.isAway = false }
        let outcome = await gateway.capture(limit: 9)
        #expect(outcome.asked == 2 && !outcome.failed)
        #expect(backend.requests.isEmpty)
        let run = try #require(try await gateway.store.runs(ofJob: 7).first)
        #expect(run.isCaptured && run.capture?.nodes.first?.gpus == [1])
        // What is known of it once it is over is less.
        try await gateway.store.capture(run.id, nil)
        #expect(try await gateway.store.runs(ofJob: 7).first?.capture == run.capture)
        // Slurm knows the other one no more, which is a word too.
        #expect(try await gateway.store.runs(ofJob: 8).first?.isCaptured == true)
        #expect(await gateway.capture(limit: 9).asked == 0)
        gateway.close()
    }

    @Test("jobs of which Slurm does not say all yet keep none of the others from being asked for")
    func incompleteOnes() async throws {
        let folder = try Self.folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let cluster = FakeCluster()
        let gateway = try Self.gateway(folder, cluster, [:])
        cluster.state.withLockedValue { $0.incomplete = [7, 8] }
        _ = try await gateway.deliver((7...10).map { Self.running($0) })
        let first = await gateway.capture(limit: 2)
        #expect(first.asked == 0 && first.isIncomplete && !first.failed && first.last > 0)
        let second = await gateway.capture(after: first.last, limit: 2)
        #expect(second.asked == 2 && !second.isIncomplete)
        #expect(await gateway.capture(after: second.last, limit: 2) == .init())
        cluster.state.withLockedValue { $0.incomplete = [] }
        #expect(await gateway.capture(limit: 9).asked == 2)
        gateway.close()
    }

    @Test("what runs already is told first; what ended while nobody was told is over")
    func caughtUp() async throws {
        let folder = try Self.folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let (cluster, backend) = (FakeCluster(), FakeBackend())
        let before = try Self.gateway(folder, cluster, ["main": backend])
        try await before.catchUp([Self.running(7), Self.running(8)])
        before.close()
        // Meanwhile 7 ended and 9 began.
        let gateway = try Self.gateway(folder, cluster, ["main": backend])
        defer { gateway.close() }
        let service = Task { try await gateway.run() }
        defer { service.cancel() }
        cluster.state.withLockedValue {
            $0.past = [.init(jobID: 7, submitTime: 90, startTime: 100, endTime: 150, endState: .completed, job: "7")]
        }
        #expect(backend.requests.isEmpty)
        try await gateway.catchUp([Self.running(8), Self.running(9)])
        #expect(try await gateway.store.runs(ofJob: 7).map(\.endTime) == [150])
        for job: UInt32 in [8, 9] { #expect(try await gateway.store.runs(ofJob: job).map(\.isOver) == [false]) }
        // From now on backends are told.
        try await waitUntil { !backend.requests.isEmpty }
        // The same again changes nothing.
        try await gateway.catchUp([Self.running(8), Self.running(9)])
        #expect(try await gateway.store.openRuns(after: 0, limit: 9).map(\.jobID) == [8, 9])
    }

    @Test("what ends while the list of what runs is on its way is over")
    func endsMeanwhile() async throws {
        let folder = try Self.folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let gateway = try Self.gateway(folder, FakeCluster(), ["main": FakeBackend()])
        defer { gateway.close() }
        let running = Self.running(7)
        var end = running
        (end.kind, end.isFinal, end.state) = (.ended, true, .completed)
        (end.endTime, end.elapsed, end.sequence) = (150, 50, running.sequence + 1)
        _ = try await gateway.deliver([end])
        #expect(try await gateway.store.runs(ofJob: 7).isEmpty)
        try await gateway.catchUp([running, Self.running(8)])
        #expect(try await gateway.store.runs(ofJob: 7).map(\.endTime) == [150])
        #expect(try await gateway.store.runs(ofJob: 8).map(\.isOver) == [false])
    }

    @Test("one of five backends that answers wrongly, or not at all, keeps none of the others from a job")
    func isolation() async throws {
        let folder = try Self.folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let names = ["a", "b", "c", "d", "e"]
        let backends = Dictionary(uniqueKeysWithValues: names.map { ($0, FakeBackend()) })
        let gateway = try Self.gateway(folder, FakeCluster(), backends)
        for _ in 0..<3 {
            backends["b"]?.script("/", .failure(CockpitError(.unavailable, "connection refused")))
            backends["d"]?.script("/", 502, "a web page")
        }
        try await gateway.store.bind(names)
        _ = try await gateway.deliver([Self.named(7)])
        for sender in gateway.senders {
            guard await sender.isKnown() else { continue }
            while try await sender.step(7) {}
        }
        for name in ["a", "c", "e"] { #expect(backends[name]?.rows.keys.sorted() == [7], "\(name)") }
        for name in ["b", "d"] { #expect(backends[name]?.rows.isEmpty == true, "\(name)") }
        let status = try await gateway.status
        #expect(status.backends.filter { $0.problem != nil }.map(\.name) == ["b", "d"])
        #expect(status.backends.map(\.waiting).reduce(0, +) >= 2)
        gateway.close()
    }

    private static func named(_ job: UInt32) -> JobTransition {
        var transition = running(job)
        transition.details.userName = "alice"
        transition.details.nodes = "n1"
        return transition
    }

    @Test("a backend that is looked at says its release and has the cluster, or what to do is said")
    func trial() async throws {
        let backend = FakeBackend()
        let found = try await ClusterCockpitGateway.look(with: backend, CockpitSettings(cluster: "lab"))
        #expect(found == "release 1.5, cluster lab with m")
        await #expect(
            throws: CockpitError(
                .configuration, "release 1.5, which has no cluster other: set clustercockpit.cluster to its name there")
        ) {
            _ = try await ClusterCockpitGateway.look(with: backend, CockpitSettings(cluster: "other"))
        }
        backend.script("/nodestate/", 401, "token is malformed")
        await #expect(throws: CockpitError.self) {
            _ = try await ClusterCockpitGateway.look(with: backend, CockpitSettings(cluster: "lab"))
        }
        #expect(backend.rows.isEmpty)
    }
}
