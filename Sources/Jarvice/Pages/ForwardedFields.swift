// SPDX-License-Identifier: GPL-3.0-or-later

/// What of header fields goes through a proxy (RFC 9110, section 7.6.1), and what it adds.
enum ForwardedFields {
    typealias Field = (String, String)

    /// Who asks, and where.
    struct Client: Sendable, Hashable {
        var address: String
        var scheme: String
        var host: String?
        /// Before the job's own path.
        var prefix: String
    }

    /// Of one connection only.
    private static let hopByHop: Set<String> = [
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade",
    ]
    /// Whatever `Connection` says: without these a message is another one.
    private static let kept: Set<String> = ["host", "content-length"]
    /// What only a proxy may say.
    private static let proxys: Set<String> = [
        "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-prefix", "x-forwarded-proto", "x-real-ip",
    ]

    /// Whether a request asks for a WebSocket. There is no other protocol that a connection becomes here.
    static func asksForSocket(_ method: String, _ fields: [Field]) -> Bool {
        method == "GET" && tokens("connection", fields).contains("upgrade")
            && tokens("upgrade", fields).contains("websocket")
    }

    /// For the job.
    static func request(_ fields: [Field], of client: Client, isSocket: Bool) -> [Field] {
        let dropped = hopByHop.union(tokens("connection", fields)).subtracting(kept).union(proxys).union(["expect"])
        var sent = fields.filter { !dropped.contains($0.0.lowercased()) }
        if tokens("transfer-encoding", fields) == ["chunked"] { sent.append(("Transfer-Encoding", "chunked")) }
        sent.append(("Connection", isSocket ? "Upgrade" : "close"))
        if isSocket { sent.append(("Upgrade", "websocket")) }
        sent.append(("X-Forwarded-For", client.address))
        if let host = client.host { sent.append(("X-Forwarded-Host", host)) }
        sent.append(("X-Forwarded-Proto", client.scheme))
        sent.append(("X-Forwarded-Prefix", client.prefix))
        return sent
    }

    /// For the client. Redirections within the job stay below its prefix, and no page that is linked to learns the secret.
    static func answer(_ fields: [Field], prefix: String, isSocket: Bool) -> [Field] {
        let dropped = hopByHop.union(tokens("connection", fields)).subtracting(kept)
        var sent = fields.filter { !dropped.contains($0.0.lowercased()) }
        for index in sent.indices where sent[index].0.lowercased() == "location" {
            let place = sent[index].1
            if place.hasPrefix("/"), !place.hasPrefix("//") { sent[index].1 = prefix + place }
        }
        if isSocket {
            sent.append(("Connection", "Upgrade"))
            sent.append(("Upgrade", "websocket"))
        } else if !sent.contains(where: { $0.0.lowercased() == "referrer-policy" }) {
            sent.append(("Referrer-Policy", "same-origin"))
        }
        return sent
    }

    /// The words of a list, lower-case.
    static func tokens(_ name: String, _ fields: [Field]) -> [String] {
        fields.filter { $0.0.lowercased() == name }.flatMap { $0.1.split(separator: ",") }.map { word in
            word.filter { $0 != " " && $0 != "\t" }.lowercased()
        }
    }
}
