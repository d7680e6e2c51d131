// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials

/// The calls of one backend.
struct BackendClient: Sendable {
    let transport: any BackendTransport
    let cluster: String
    let timeout: Duration

    private static let short = Duration.seconds(20)

    func start(_ message: StartMessage) async throws(CockpitError) -> BackendAnswer {
        try await post("/jobs/start_job/", message)
    }

    func stop(_ message: StopMessage) async throws(CockpitError) -> BackendAnswer {
        try await post("/jobs/stop_job/", message)
    }

    func delete(_ message: DeleteMessage) async throws(CockpitError) -> BackendAnswer {
        try await post("/jobs/delete_job/", message, method: .delete)
    }

    func nodeStates(_ message: NodeStatesMessage) async throws(CockpitError) -> BackendAnswer {
        try await post("/nodestate/", message, timeout: Self.short)
    }

    private func post(
        _ path: String, _ message: some Encodable & Sendable, method: BackendRequest.Method = .post,
        timeout: Duration? = nil
    ) async throws(CockpitError) -> BackendAnswer {
        let body: [UInt8]
        do {
            body = Array(try JSONEncoder().encode(message))
        } catch {
            throw CockpitError(.malformed, "a message cannot be written: \(error)")
        }
        return try await transport.send(
            BackendRequest(method: method, path: path, body: body, timeout: timeout ?? self.timeout)
        ).answer
    }

    func probe(_ request: ReleaseProbe.Request) async throws(CockpitError) -> BackendAnswer {
        struct Nameless: Encodable {
            var cluster: String
            var tags = [StartMessage.Tag(type: "probe", name: "probe", scope: "global")]
        }
        switch request {
        case .nodeStates:
            return try await nodeStates(NodeStatesMessage([], cluster: cluster, topology: nil))
        case .tagScope: return try await post("/jobs/start_job/", Nameless(cluster: cluster), timeout: Self.short)
        case .clusters: return try await get("/clusters/").answer
        }
    }

    private func get(_ path: String) async throws(CockpitError) -> BackendResponse {
        try await transport.send(
            BackendRequest(method: .get, path: path, answerLimit: Self.listLimit, timeout: timeout))
    }

    private static let listLimit = 64 << 20
    /// A page of jobs with their resources is some hundred kilobytes.
    static let pageSize = 500

    /// - Returns: nil when the backend does not tell.
    func topology() async throws(CockpitError) -> BackendTopology? {
        let response = try await get("/clusters/")
        guard response.status != 404 else { return nil }
        let page: ClustersPage = try document(response)
        return BackendTopology(page, cluster: cluster)
    }

    /// Rows that run there, by what is on each page; until a page is not full.
    func runningJobs() async throws(CockpitError) -> [JobListPage.Row] {
        var rows: [JobListPage.Row] = []
        for number in 1...10_000 {
            let page = try await jobs("state=running&cluster=\(escaped)", page: number)
            rows += page
            if page.count < Self.pageSize { break }
        }
        return rows
    }

    /// Whether there is a row of exactly this run.
    func has(jobID: UInt32, start: Int64) async throws(CockpitError) -> Bool {
        try await row(jobID: jobID, start: start) != nil
    }

    /// The row of exactly this run; nil: no list has it, yet or at all.
    func row(jobID: UInt32, start: Int64) async throws(CockpitError) -> JobListPage.Row? {
        for number in 1...100 {
            let page = try await jobs("cluster=\(escaped)&start-time=\(start)-\(start)", page: number)
            if let found = page.first(where: { $0.jobId == Int64(jobID) && $0.startTime == start }) { return found }
            if page.count < Self.pageSize { break }
        }
        return nil
    }

    /// A start that no release takes: where jobs come by NATS there is no such call.
    func takesJobsByHTTP() async throws(CockpitError) -> Bool {
        let answer = try await probe(.tagScope)
        switch answer.status {
        case 404, 405: return false
        case 400, 422: return true
        default: throw CockpitError(.unavailable, "HTTP \(answer.status): \(answer.text)")
        }
    }

    private var escaped: String {
        cluster.utf8.map { byte -> String in
            let isPlain = byte >= 0x30 && byte <= 0x39 || byte >= 0x41 && byte <= 0x5a || byte >= 0x61 && byte <= 0x7a
            return isPlain || "-_.".utf8.contains(byte)
                ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }.joined()
    }

    private func jobs(_ query: String, page: Int) async throws(CockpitError) -> [JobListPage.Row] {
        let response = try await get("/jobs/?\(query)&items-per-page=\(Self.pageSize)&page=\(page)")
        let list: JobListPage = try document(response)
        return list.jobs
    }

    private func document<Document: Decodable>(_ response: BackendResponse) throws(CockpitError) -> Document {
        guard response.status == 200 else {
            throw CockpitError(.unavailable, "HTTP \(response.status): \(response.answer.text)")
        }
        do {
            return try JSONDecoder().decode(Document.self, from: Data(response.body))
        } catch {
            throw CockpitError(.malformed, "its list cannot be read")
        }
    }
}
