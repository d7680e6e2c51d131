// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import StatusViews

/// What of a request matters.
struct AdminRequest: Sendable {
    var method = "GET"
    /// With the query, if there is one.
    var path: String
    var host: String?
    var authorization: String?
    /// It announces a body.
    var hasBody = false
}

struct AdminResponse: Sendable, Equatable {
    var status: Int
    /// The same name never twice.
    var headers: [String: String]
    var body: String
    /// It is the answer to a wrong token: it is to be given late.
    var isGuess = false

    init(_ status: Int, _ type: String, _ body: String, _ headers: [String: String] = [:]) {
        self.status = status
        self.body = body
        self.headers = headers
        self.headers["Content-Type"] = type
        // After an error nothing more of the request is read.
        if (400..<500).contains(status) { self.headers["Connection"] = "close" }
    }

    static func text(_ status: Int, _ text: String, _ headers: [String: String] = [:]) -> AdminResponse {
        AdminResponse(status, "text/plain; charset=utf-8", text + "\n", headers)
    }

    /// On every answer, unless it says otherwise itself.
    static let commonHeaders = [
        "Content-Security-Policy": policy(""),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "Cross-Origin-Resource-Policy": "same-origin",
    ]

    /// Nothing but what is named; nobody may frame it.
    static func policy(_ allowed: String) -> String {
        "default-src 'none'; \(allowed)base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    }
}

/// Every answer of the admin server, without input or output of its own.
struct AdminRoutes: Sendable {
    static let pathLimit = 1024

    let access: AdminAccess
    /// The status and its age in seconds; nil when there has been none.
    let snapshot: @Sendable () async -> (status: AgentStatus, age: Int64)?
    /// What each gateway adds to what is shown.
    let gateways: [any ShownGateway]
    private let metricsPage: MetricsPage
    /// New for each page: letters and digits that nobody can guess.
    let nonce: @Sendable () -> String

    init(
        access: AdminAccess, gateways: [any ShownGateway],
        nonce: @escaping @Sendable () -> String = AdminRoutes.randomNonce,
        snapshot: @escaping @Sendable () async -> (status: AgentStatus, age: Int64)?
    ) {
        self.access = access
        self.nonce = nonce
        self.gateways = gateways
        metricsPage = MetricsPage(gateways)
        self.snapshot = snapshot
    }

    @Sendable static func randomNonce() -> String {
        var generator = SystemRandomNumberGenerator()
        return (0..<2).map { _ in String(generator.next() as UInt64, radix: 36) }.joined()
    }

    func answer(_ request: AdminRequest) async -> AdminResponse {
        var response = await routed(request)
        response.headers.merge(AdminResponse.commonHeaders) { own, _ in own }
        return response
    }

    private func routed(_ request: AdminRequest) async -> AdminResponse {
        switch access.judge(host: request.host, authorization: request.authorization) {
        case .allowed: break
        case .misdirected:
            return .text(421, "This server is not known by that name: admin.hosts lists the names it answers to.")
        case .unauthorized(let isGuess):
            var response = AdminResponse.text(
                401, "Show the token: as a bearer token, or as the password of any user.",
                ["WWW-Authenticate": "Basic realm=\"slurm-grid-agent\", charset=\"UTF-8\""])
            response.isGuess = isGuess
            return response
        }
        guard request.method == "GET" || request.method == "HEAD" else {
            return .text(405, "This server only shows: GET and HEAD.", ["Allow": "GET, HEAD"])
        }
        guard !request.hasBody else { return .text(413, "A request here has no body.") }
        guard request.path.utf8.count <= Self.pathLimit else { return .text(414, "The path is too long.") }
        let path = String(request.path.prefix { $0 != "?" })
        guard let route = Self.routes[path] else {
            return .text(404, "There is nothing here. There is: \(Self.routes.keys.sorted().joined(separator: " "))")
        }
        return await route(self)
    }

    private static let routes: [String: @Sendable (AdminRoutes) async -> AdminResponse] = [
        "/": { await $0.page() },
        "/live": { await $0.live() },
        "/icon.svg": { _ in AdminResponse(200, "image/svg+xml", StatusPage.icon) },
        "/metrics": { await $0.metrics() },
        "/status.json": { await $0.json() },
        "/healthz": { await $0.health() },
        "/readyz": { await $0.readiness() },
    ]

    // MARK: for people

    private func page() async -> AdminResponse {
        guard let (status, age) = await snapshot() else { return Self.silent }
        let nonce = nonce()
        let policy = AdminResponse.policy(
            "style-src 'nonce-\(nonce)'; script-src 'nonce-\(nonce)'; img-src 'self'; connect-src 'self'; ")
        return AdminResponse(
            200, "text/html; charset=utf-8",
            StatusPage(gateways, status: status, silentFor: age).document(nonce: nonce).text,
            ["Content-Security-Policy": policy])
    }

    private func live() async -> AdminResponse {
        guard let (status, age) = await snapshot() else { return Self.silent }
        return AdminResponse(
            200, "text/html; charset=utf-8", StatusPage(gateways, status: status, silentFor: age).live.text)
    }

    private static let silent = AdminResponse.text(
        503, "The agent's parts have not answered yet: try again in a moment.", ["Retry-After": "5"])

    // MARK: for programs

    private func metrics() async -> AdminResponse {
        guard let (status, _) = await snapshot() else { return Self.silent }
        return AdminResponse(200, MetricsPage.contentType, metricsPage.text(status))
    }

    private func json() async -> AdminResponse {
        guard let (status, _) = await snapshot() else { return Self.silent }
        return json(200, status)
    }

    private struct Health: Encodable {
        var status = "ok"
        var health: AgentStatus.Level?
        var summary: String
        var asOf: Int64?
        var parts: [AgentStatus.Part]
    }

    /// 200 as long as this process answers: what it depends on is told, and changes nothing.
    private func health() async -> AdminResponse {
        guard let (status, _) = await snapshot() else {
            return json(200, Health(summary: "the agent's parts have not answered yet", parts: []))
        }
        return json(
            200, Health(health: status.health, summary: status.summary, asOf: status.now, parts: status.parts))
    }

    private struct Readiness: Encodable {
        var ready: Bool
        /// Name and text of what is missing.
        var missing: [AgentStatus.Part]
        var summary: String
    }

    /// What has not answered for so long is not ready, whatever it said last.
    private static let longestSilence: Int64 = 60

    private func readiness() async -> AdminResponse {
        guard let (status, age) = await snapshot() else {
            return json(
                503, Readiness(ready: false, missing: [], summary: "the agent's parts have not answered yet"))
        }
        guard age <= Self.longestSilence else {
            return json(
                503,
                Readiness(ready: false, missing: [], summary: "the agent's parts have not answered for \(age) s"))
        }
        let missing = status.isReady ? [] : status.parts.filter { $0.level == .failure }
        return json(
            status.isReady ? 200 : 503,
            Readiness(ready: status.isReady, missing: missing, summary: status.summary))
    }

    private func json(_ status: Int, _ value: some Encodable) -> AdminResponse {
        guard let body = try? StatusJSON.encoder(gateways).encode(value) else {
            return .text(500, "The status cannot be written as JSON.")
        }
        return AdminResponse(status, "application/json", String(decoding: body, as: UTF8.self) + "\n")
    }
}
