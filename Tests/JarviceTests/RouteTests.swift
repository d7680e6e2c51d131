// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Jarvice

@Suite struct RouteTests {
    @Test(arguments: [
        ("GET", "/live", Route.live, false), ("HEAD", "/live", .live, false), ("GET", "/ready?x=1", .live, false),
        ("GET", "/gc", .gc, false), ("GET", "/%6eodes", .nodes, false), ("POST", "/online", .online, true),
        ("POST", "/submit", .submit, true), ("POST", "/request/a/b/c/d", .request("a/b/c/d"), true),
        ("POST", "/request/a%2Fb/c", .request("a/b/c"), true), ("POST", "/request/x/", .request("x/"), true),
    ])
    func routes(method: String, target: String, route: Route, hasBody: Bool) {
        #expect(Route.match(method: method, target: target) == .route(route, hasBody: hasBody))
    }

    @Test(arguments: ["/", "/live/", "/request", "/request/", "/Live", "/x", "*", "/submit/"])
    func unknown(target: String) {
        #expect(Route.match(method: "GET", target: target) == .answer(.notFound))
        #expect(Route.match(method: "POST", target: target) == .answer(.notFound))
    }

    @Test func wrongMethods() {
        #expect(Route.match(method: "POST", target: "/nodes") == .answer(.notAllowed("OPTIONS, HEAD, GET")))
        #expect(Route.match(method: "GET", target: "/online") == .answer(.notAllowed("POST, OPTIONS")))
        #expect(Route.match(method: "HEAD", target: "/submit") == .answer(.notAllowed("POST, OPTIONS")))
        #expect(Route.match(method: "PUT", target: "/live") == .answer(.notAllowed("OPTIONS, HEAD, GET")))
        guard case .answer(let answer) = Route.match(method: "OPTIONS", target: "/submit") else {
            Issue.record("no answer")
            return
        }
        #expect(answer.status == 200 && answer.body.isEmpty && answer.allow == "POST, OPTIONS")
    }

    @Test func doubledSlashes() {
        guard case .answer(let answer) = Route.match(method: "POST", target: "/request/a//b?x=1", host: "h:1") else {
            Issue.record("no answer")
            return
        }
        #expect(answer.status == 308)
        #expect(answer.location == "http://h:1/request/a/b?x=1")
        #expect(Route.match(method: "GET", target: "/x//y") == .answer(.notFound))
    }

    /// The reference's pages, byte for byte.
    @Test func pages() {
        #expect(Answer.notFound.body.utf8.count == 207)
        let failed = Answer.failed("<reason>").body
        let page = failed.prefix { _ in true }.split(separator: "<p>&lt;reason", maxSplits: 1)[0]
        #expect(page.utf8.count == 265)
        #expect(failed.hasSuffix("<p>&lt;reason&gt;</p>\n"))
        #expect(Answer.notFound.type == "text/html; charset=utf-8")
        #expect(Answer(JSONText(["status": JSONText("OK")])).body == "{\"status\":\"OK\"}\n")
    }
}
