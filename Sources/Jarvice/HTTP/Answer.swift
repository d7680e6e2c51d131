// SPDX-License-Identifier: GPL-3.0-or-later

/// An answer of the gateway, byte for byte.
struct Answer: Sendable, Equatable {
    static let json = "application/json"
    static let html = "text/html; charset=utf-8"

    var status: Int
    var type: String
    var body: String
    /// Methods, of 405 and OPTIONS.
    var allow: String?
    var location: String?
    /// Goes to the log.
    var reason: String?
    /// The reason is the server's own credentials.
    var asksForCredentials = false

    init(_ status: Int, type: String = Answer.html, _ body: String = "") {
        self.status = status
        self.type = type
        self.body = body
    }

    init(_ json: JSONText, status: Int = 200) {
        self.init(status, type: Self.json, json.text + "\n")
    }

    // MARK: pages

    private static func page(_ status: Int, _ title: String, _ text: String) -> Answer {
        Answer(
            status,
            "<!doctype html>\n<html lang=en>\n<title>\(title)</title>\n<h1>\(title.drop { $0 != " " }.dropFirst())</h1>\n"
                + "<p>\(text)</p>\n")
    }

    static let notFound = page(
        404, "404 Not Found",
        "The requested URL was not found on the server. If you entered the URL manually please check your spelling and "
            + "try again.")

    static func notAllowed(_ allow: String) -> Answer {
        var answer = page(405, "405 Method Not Allowed", "The method is not allowed for the requested URL.")
        answer.allow = allow
        return answer
    }

    static func failed(_ reason: String) -> Answer {
        var answer = page(
            500, "500 Internal Server Error",
            "The server encountered an internal error and was unable to complete your request. Either the server is "
                + "overloaded or there is an error in the application.")
        // Upstream never reads it; whoever follows a failure does.
        answer.body += "<p>\(escaped(String(reason.prefix(500))))</p>\n"
        answer.reason = reason
        return answer
    }

    static let tooLarge = page(
        413, "413 Request Entity Too Large", "The data value transmitted exceeds the capacity limit.")
    static let busy = page(
        503, "503 Service Unavailable", "The server is temporarily unable to service your request. Try again later.")
    static let tooMany = page(
        429, "429 Too Many Requests", "This user has exceeded an allotted request count. Try again later.")

    static var unauthorized: Answer {
        var answer = page(
            401, "401 Unauthorized",
            "The server could not verify that you are authorized to access the URL requested. You either supplied the "
                + "wrong credentials (e.g. a bad password), or your browser doesn&#39;t understand how to supply the "
                + "credentials required.")
        answer.asksForCredentials = true
        return answer
    }

    static func redirect(to location: String) -> Answer {
        let link = escaped(location)
        var answer = Answer(
            308,
            "<!doctype html>\n<html lang=en>\n<title>Redirecting...</title>\n<h1>Redirecting...</h1>\n"
                + "<p>You should be redirected automatically to the target URL: <a href=\"\(link)\">\(link)</a>. If not, "
                + "click the link.\n")
        answer.location = location
        return answer
    }

    static func escaped(_ text: String) -> String {
        // By scalars: a combining mark behind a letter hides nothing.
        text.unicodeScalars.map { scalar in
            switch scalar {
            case "&": "&amp;"
            case "<": "&lt;"
            case ">": "&gt;"
            case "\"": "&#34;"
            case "'": "&#39;"
            default: String(Character(scalar))
            }
        }.joined()
    }
}
