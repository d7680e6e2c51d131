// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import PageTesting
import Testing

@testable import AdminHTTP
@testable import StatusViews

@Suite("Admin routes")
struct AdminRoutesTests {
    private static let paths = ["/", "/live", "/icon.svg", "/metrics", "/status.json", "/healthz", "/readyz"]

    private func routes(
        _ status: AgentStatus? = AgentStatus.bare, age: Int64 = 0, token: AdminToken? = nil
    ) -> AdminRoutes {
        AdminRoutes(access: AdminAccess(token: token, hosts: []), gateways: []) { status.map { ($0, age) } }
    }

    private func object(_ answer: AdminResponse) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: Any])
    }

    @Test("each route answers, with every header", arguments: paths)
    func answers(_ path: String) async {
        for (method, path) in [("GET", path), ("HEAD", path), ("GET", path + "?x=/../y")] {
            let answer = await routes().answer(AdminRequest(method: method, path: path, host: "localhost"))
            #expect(answer.status == 200)
            #expect(!answer.body.isEmpty)
            expectHeaders(answer)
        }
    }

    private func expectHeaders(_ answer: AdminResponse) {
        let policy = answer.headers["Content-Security-Policy"] ?? ""
        #expect(policy.hasPrefix("default-src 'none'; "))
        #expect(policy.hasSuffix("base-uri 'none'; form-action 'none'; frame-ancestors 'none'"))
        #expect(!policy.contains("unsafe") && !policy.contains("*") && !policy.contains("http"))
        #expect(answer.headers["X-Content-Type-Options"] == "nosniff")
        #expect(answer.headers["Referrer-Policy"] == "no-referrer")
        #expect(answer.headers["Cache-Control"] == "no-store")
        #expect(answer.headers["Cross-Origin-Resource-Policy"] == "same-origin")
        #expect(answer.headers["Content-Type"] != nil)
    }

    @Test("the page's script and style are allowed by a nonce that is never the same")
    func nonce() async throws {
        var seen: Set<String> = []
        for _ in 0..<20 {
            let answer = await routes().answer(AdminRequest(path: "/", host: "localhost"))
            let policy = try #require(answer.headers["Content-Security-Policy"])
            let nonce = try #require(policy.firstMatch(of: #/script-src 'nonce-([0-9a-z]{10,})';/#)).1
            #expect(policy.contains("style-src 'nonce-\(nonce)';"))
            #expect(
                answer.body.contains("<script nonce=\"\(nonce)\">")
                    && answer.body.contains("<style nonce=\"\(nonce)\">"))
            #expect(seen.insert(String(nonce)).inserted)
        }
    }

    @Test(
        arguments: [
            ("POST", "/", 405), ("PUT", "/status.json", 405), ("DELETE", "/nothing", 405), ("OPTIONS", "/", 405),
            ("TRACE", "/", 405), ("get", "/", 405), ("GET", "/nothing", 404), ("GET", "", 404), ("GET", "//", 404),
            ("GET", "/metrics/", 404), ("GET", "/../healthz", 404), ("GET", "/%2fhealthz", 404),
            ("GET", "http://localhost/", 404),
            ("GET", "/" + String(repeating: "a", count: 1100), 414),
        ])
    func refusals(_ method: String, _ path: String, _ status: Int) async {
        let answer = await routes().answer(AdminRequest(method: method, path: path, host: "localhost"))
        #expect(answer.status == status)
        #expect(answer.headers["Connection"] == "close")
        #expect(answer.headers["Allow"] == (status == 405 ? "GET, HEAD" : nil))
        expectHeaders(answer)
    }

    @Test("a request with a body is not read")
    func bodies() async {
        let answer = await routes().answer(AdminRequest(path: "/", host: "localhost", hasBody: true))
        #expect(answer.status == 413 && answer.headers["Connection"] == "close")
    }

    @Test(
        "without the token nothing is told, whatever is asked for; by another name neither",
        arguments: paths + ["/nothing"])
    func closed(_ path: String) async throws {
        let routes = routes(token: try AdminAccessTests.token())
        for (authorization, isGuess) in [(nil, false), ("Bearer wrong-wrong-wrong-wrong", true)] as [(String?, Bool)] {
            for method in ["GET", "POST"] {
                let answer = await routes.answer(
                    AdminRequest(method: method, path: path, host: "localhost", authorization: authorization))
                #expect(answer.status == 401 && answer.isGuess == isGuess)
                #expect(answer.headers["WWW-Authenticate"]?.hasPrefix("Basic realm=") == true)
                #expect(!answer.body.contains("fine") && answer.headers["Connection"] == "close")
                expectHeaders(answer)
            }
        }
        let right = "Bearer \(AdminAccessTests.secret)"
        let other = await routes.answer(AdminRequest(path: path, host: "evil.example", authorization: right))
        #expect(other.status == 421)
        let answer = await routes.answer(AdminRequest(path: path, host: "localhost", authorization: right))
        #expect(answer.status == (path == "/nothing" ? 404 : 200))
    }

    @Test("healthz is 200 whatever fails elsewhere, and says what", arguments: AgentStatus.Level.allCases)
    func health(_ level: AgentStatus.Level) async throws {
        var status = AgentStatus.bare
        status.health = level
        status.isReady = false
        status.parts = [.init(name: "chain", level: level, text: "is as it is")]
        let answer = await routes(status, age: 1000).answer(AdminRequest(path: "/healthz", host: "localhost"))
        let object = try object(answer)
        #expect(answer.status == 200 && answer.headers["Content-Type"] == "application/json")
        #expect(object["status"] as? String == "ok" && object["health"] as? String == level.rawValue)
        #expect((object["parts"] as? [[String: String]])?.first?["text"] == "is as it is")
    }

    @Test("readyz follows what is open, not what moves", arguments: AgentStatus.Level.allCases, [true, false])
    func readiness(_ level: AgentStatus.Level, _ isReady: Bool) async throws {
        var status = AgentStatus.bare
        status.health = level
        status.isReady = isReady
        status.parts = [
            .init(name: "chain", level: .failure, text: "no node answers"),
            .init(name: "slurmctld", level: .ok, text: ""),
        ]
        let answer = await routes(status).answer(AdminRequest(path: "/readyz", host: "localhost"))
        let object = try object(answer)
        #expect(answer.status == (isReady ? 200 : 503))
        #expect(object["ready"] as? Bool == isReady)
        let missing = try #require(object["missing"] as? [[String: String]])
        #expect(missing.compactMap { $0["name"] } == (isReady ? [] : ["chain"]))
    }

    @Test("as long as nothing is known: alive, not ready, try again")
    func silence() async throws {
        for path in Self.paths where path != "/icon.svg" {
            let answer = await routes(nil).answer(AdminRequest(path: path, host: "localhost"))
            #expect(answer.status == (path == "/healthz" ? 200 : 503), "\(path)")
            expectHeaders(answer)
        }
        let late = await routes(age: 61).answer(AdminRequest(path: "/readyz", host: "localhost"))
        #expect(late.status == 503 && late.body.contains("have not answered for 61 s"))
        let page = await routes(age: 61).answer(AdminRequest(path: "/", host: "localhost"))
        #expect(page.status == 200 && page.body.contains("have not answered for 1 min 1 s"))
    }

    @Test func metrics() async throws {
        let answer = await routes().answer(AdminRequest(path: "/metrics", host: "localhost"))
        #expect(answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8")
        #expect(
            try OpenMetricsText(answer.body).families["grid_agent_build"]?.samples.first?.labels == ["version": "1.2.3"]
        )
    }
}
