// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation

import Logging
import NIOConcurrencyHelpers

@testable import ClusterCockpit
@testable import JobLifecycle

/// A backend in memory: what it is asked, and what it answers, by a rule that a test may exchange.
final class FakeBackend: BackendTransport {
    struct Row: Hashable {
        var start: Int64
        var state: String
        var end: Int64?
    }

    struct State {
        var requests: [(path: String, body: String)] = []
        var rows: [Int64: [Row]] = [:]
        /// Answers in place of its own: first come, first served.
        var isByNATS = false
        var scripted: [(path: String, result: Result<BackendResponse, CockpitError>)] = []
    }

    let state = NIOLockedValueBox(State())

    func script(_ path: String, _ result: Result<BackendResponse, CockpitError>) {
        state.withLockedValue { $0.scripted.append((path, result)) }
    }

    func script(_ path: String, _ status: Int, _ error: String) {
        script(path, .success(BackendResponse(status: status, body: Array(#"{"error":"\#(error)"}"#.utf8))))
    }

    var requests: [(path: String, body: String)] { state.withLockedValue { $0.requests } }
    var rows: [Int64: [Row]] { state.withLockedValue { $0.rows } }

    func shutdown() async {}

    func send(_ request: BackendRequest) async throws(CockpitError) -> BackendResponse {
        let result = state.withLockedValue { state -> Result<BackendResponse, CockpitError> in
            state.requests.append((request.path, String(decoding: request.body ?? [], as: UTF8.self)))
            if let index = state.scripted.firstIndex(where: { request.path.hasPrefix($0.path) }) {
                return state.scripted.remove(at: index).result
            }
            if state.isByNATS, request.path == "/jobs/start_job/" || request.path == "/jobs/stop_job/" {
                return .success(BackendResponse(status: 404, body: []))
            }
            return .success(Self.answer(request, &state))
        }
        return try result.get()
    }

    /// As it comes by NATS: nobody is answered.
    func take(_ path: String, _ body: String) {
        state.withLockedValue { state in
            let request = BackendRequest(method: .post, path: path, body: Array(body.utf8), timeout: .zero)
            _ = Self.answer(request, &state)
        }
    }

    private static func answer(_ request: BackendRequest, _ state: inout State) -> BackendResponse {
        func say(_ status: Int, _ error: String = "") -> BackendResponse {
            BackendResponse(status: status, body: Array(#"{"error":"\#(error)"}"#.utf8))
        }
        struct Named: Decodable {
            var jobId: Int64?
            var startTime: Int64?
            var stopTime: Int64?
            var jobState: String?
        }
        let body = (try? JSONDecoder().decode(Named.self, from: Data(request.body ?? []))) ?? Named()
        let id = body.jobId ?? 0
        let index = state.rows[id]?.firstIndex { $0.start == body.startTime }
        switch request.path {
        case "/nodestate/": return BackendResponse(status: 200, body: [])
        case "/clusters/":
            return BackendResponse(
                status: 200,
                body: Array(
                    #"{"clusters":[{"name":"lab","subClusters":[{"name":"m","nodes":"n[1-4]","topology":{"node":[0,1,2,3],"socket":[[0,2],[1,3]],"core":[[0],[1],[2],[3]],"accelerators":[{"id":"A"},{"id":"B"}]}}]}]}"#
                        .utf8))
        case "/jobs/start_job/":
            if (state.rows[id] ?? []).contains(where: { (body.startTime ?? 0) - $0.start < LanePlan.day }) {
                return say(422, "a job with that jobId, cluster and startTime already exists: dbid: 1, jobid: \(id)")
            }
            state.rows[id, default: []].append(Row(start: body.startTime ?? 0, state: "running"))
            return say(201)
        case "/jobs/stop_job/":
            guard let index else { return say(404, "finding job failed: sql: no rows in result set") }
            guard state.rows[id]?[index].state == "running" else {
                return say(422, "job has already been stopped (state is: x)")
            }
            state.rows[id]?[index].state = body.jobState ?? "completed"
            state.rows[id]?[index].end = body.stopTime
            return say(200)
        case "/jobs/delete_job/":
            guard let index else { return say(422, "finding job failed: sql: no rows in result set") }
            state.rows[id]?.remove(at: index)
            return say(200)
        default:
            let listed = state.rows.flatMap { job, rows in
                rows.filter { !request.path.contains("state=running") || $0.state == "running" }.map {
                    #"{"jobId":\#(job),"startTime":\#($0.start),"jobState":"\#($0.state)"}"#
                }
            }
            return BackendResponse(status: 200, body: Array(#"{"jobs":[\#(listed.joined(separator: ","))]}"#.utf8))
        }
    }
}

/// A Slurm that knows what it is told.
final class FakeCluster: CockpitCluster {
    struct State {
        var captures: [UInt32: JobCapture] = [:]
        var past: [PastRun] = []
        var isAway = false
        var asked = 0
        var shapes: [String: NodeShape] = [:]
        /// By slurmdbd.
        var nodes: [UInt32: [String]] = [:]
        var hasAccounting = true
        /// All of them, of jobs that end.
        var incomplete: Set<UInt32> = []
    }

    let state = NIOLockedValueBox(State())

    func capture(
        jobID: UInt32, submitTime: Int64, nodes: String?, withScript: Bool
    ) async throws(CockpitError) -> JobCapture? {
        let state = state.withLockedValue { state in
            state.asked += 1
            return state
        }
        if state.isAway { throw CockpitError(.unavailable, "slurmctld is away") }
        if state.incomplete.contains(jobID) { throw CockpitError(.incomplete, "some nodes are not clean yet") }
        return state.captures[jobID]
    }

    func accountedNodes(jobID: UInt32, submitTime: Int64) async throws(CockpitError) -> [String]? {
        let state = state.withLockedValue { $0 }
        return state.hasAccounting ? state.nodes[jobID] : []
    }

    func login(of userID: UInt32) async throws(CockpitError) -> String? { userID == 1001 ? "bob" : nil }
    func expand(_ nodes: String) -> [String]? { nodes.split(separator: ",").map(String.init) }
    func nodes() async throws(CockpitError) -> [CockpitNode] { [] }
    func shapes() async throws(CockpitError) -> [String: NodeShape] {
        let (shapes, isAway) = state.withLockedValue { ($0.shapes, $0.isAway) }
        if isAway { throw CockpitError(.unavailable, "slurmctld is away") }
        return shapes
    }
    func history(of jobIDs: [UInt32]) async throws(CockpitError) -> [PastRun] {
        state.withLockedValue { state in state.past.filter { jobIDs.contains($0.jobID) } }
    }
}

/// A sender on a file of its own, with a clock that only a test moves.
final class SenderHarness {
    let folder = FileManager.default.temporaryDirectory.appending(path: "cockpit-\(UUID().uuidString)")
    let backend = FakeBackend()
    let cluster = FakeCluster()
    let clock = NIOLockedValueBox<Int64>(1_800_000_000_000)
    /// Seconds that the wall clock is before the time that has passed.
    let ahead = NIOLockedValueBox<Int64>(0)
    var settings = CockpitSettings(cluster: "lab")
    private(set) var store: CockpitStore
    private(set) var sender: BackendSender
    private var sequence: Int64 = 0
    /// nil: by HTTP.
    let publisher: FakePublisher?

    /// - Parameter store: one that a test has opened.
    init(store known: CockpitStore? = nil, byNATS: Bool = false, _ change: (inout CockpitSettings) -> Void = { _ in })
        async throws
    {
        publisher = byNATS ? FakePublisher(backend) : nil
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        settings.backends = [.init(name: "main", url: "http://x", tokenFile: "/x")]
        change(&settings)
        store = try known ?? CockpitStore(path: folder.appending(path: "c.sqlite").path)
        sender = try Self.sender(settings, backend, store, cluster, publisher, clock, ahead)
        try await store.bind(settings.backends.map(\.name))
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    private static func sender(
        _ settings: CockpitSettings, _ backend: FakeBackend, _ store: CockpitStore, _ cluster: FakeCluster,
        _ publisher: FakePublisher?, _ clock: NIOLockedValueBox<Int64>, _ ahead: NIOLockedValueBox<Int64>
    ) throws -> BackendSender {
        BackendSender(
            name: "main", settings: settings, transport: backend, store: store, cluster: cluster,
            filter: try JobFilter(settings), events: publisher,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            now: { clock.withLockedValue { $0 } },
            today: { clock.withLockedValue { $0 } / 1000 - ahead.withLockedValue { $0 } })
    }

    /// As after a kill: what is not in the file is forgotten.
    func restart() async throws {
        store.close()
        store = try CockpitStore(path: folder.appending(path: "c.sqlite").path)
        sender = try Self.sender(settings, backend, store, cluster, publisher, clock, ahead)
    }

    func set(ahead seconds: Int64) {
        ahead.withLockedValue { $0 = seconds }
        move(seconds)
    }

    func move(_ seconds: Int64) { clock.withLockedValue { $0 += seconds * 1000 } }
    var seconds: Int64 { clock.withLockedValue { $0 } / 1000 }

    /// Takes every step that is due now.
    func run() async throws {
        for _ in 0..<1000 {
            guard await sender.pauseLeft == 0, await sender.isKnown() else { return }
            let lanes = try await store.dueLanes("main", now: clock.withLockedValue { $0 }, limit: 100)
            if lanes.isEmpty { return }
            for lane in lanes { while try await sender.step(lane) {} }
        }
    }

    @discardableResult
    func tell(
        _ kind: JobTransition.Kind, job: Int64, id: UInt32, submitted: Int64, start: Int64? = nil, end: Int64? = nil,
        state: SchedulerState.Base? = nil, comment: String? = nil, name: String? = "alice", nodes: String? = "n1",
        tres: String? = nil
    ) async throws -> Bool {
        sequence += 1
        var details = JobDetails()
        details.userName = name
        details.userID = 1001
        details.nodes = nodes
        details.tres = tres
        details.adminComment = comment
        let transition = JobTransition(
            sequence: sequence, kind: kind, isFinal: kind == .ended, recordedAt: seconds * 1_000_000,
            source: .controller,
            ledgerJob: job, job: "\(id)", jobID: id, submitTime: submitted, restarts: 0, state: state, startTime: start,
            endTime: end, elapsed: nil, exitStatus: nil, details: details, gateway: nil, externalID: nil, claim: nil,
            message: nil, refusal: nil)
        return try await store.take([transition], backends: ["main"])
    }
}
