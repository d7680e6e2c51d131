// SPDX-License-Identifier: GPL-3.0-or-later

/// What is called.
enum Route: Sendable, Equatable {
    case live, gc, nodes, running, queued
    case online, submit, runstatus, exitstatus, terminate, release, events
    /// What comes after `/request/`, decoded.
    case request(String)

    private static let shown: [String: Route] = [
        "/live": .live, "/ready": .live, "/gc": .gc, "/nodes": .nodes, "/running": .running, "/queued": .queued,
    ]
    private static let posted: [String: Route] = [
        "/online": .online, "/submit": .submit, "/runstatus": .runstatus, "/exitstatus": .exitstatus,
        "/terminate": .terminate, "/release": .release, "/events": .events,
    ]

    enum Match: Sendable, Equatable {
        case route(Route, hasBody: Bool)
        case answer(Answer)
    }

    /// - Parameters:
    ///   - target: the path as it was sent, with its query.
    ///   - host: of the request, for redirections.
    static func match(method: String, target: String, host: String = "localhost", scheme: String = "http") -> Match {
        let raw = target.utf8.prefix { $0 != UInt8(ascii: "?") }
        let path = PercentText.decode(raw)
        let merged = Self.merged(path)
        if merged != path, found(merged) != nil {
            let query = target.dropFirst(String(decoding: raw, as: UTF8.self).count)
            return .answer(
                .redirect(to: "\(scheme)://\(host)\(Self.merged(String(decoding: raw, as: UTF8.self)))\(query)"))
        }
        guard let (route, isPosted) = found(path) else { return .answer(.notFound) }
        let allow = isPosted ? "POST, OPTIONS" : "OPTIONS, HEAD, GET"
        switch method {
        case "OPTIONS":
            var answer = Answer(200)
            answer.allow = allow
            return .answer(answer)
        case "POST" where isPosted: return .route(route, hasBody: true)
        case "GET" where !isPosted, "HEAD" where !isPosted: return .route(route, hasBody: false)
        default: return .answer(.notAllowed(allow))
        }
    }

    private static func found(_ path: String) -> (Route, isPosted: Bool)? {
        if let route = shown[path] { return (route, false) }
        if let route = posted[path] { return (route, true) }
        guard path.hasPrefix("/request/"), path.utf8.count > "/request/".utf8.count else { return nil }
        return (.request(String(path.dropFirst("/request/".count))), true)
    }

    private static func merged(_ path: String) -> String {
        var merged = ""
        for character in path where character != "/" || merged.last != "/" { merged.append(character) }
        return merged
    }
}
