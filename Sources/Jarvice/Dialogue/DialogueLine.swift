// SPDX-License-Identifier: GPL-3.0-or-later

/// One recorded request, and what was answered then: an object of JSON on a line of its own.
public struct DialogueLine: Sendable, Equatable {
    public struct Malformed: Error, Sendable, CustomStringConvertible {
        public var description: String
    }

    var method: String
    /// As it was sent, with its query.
    var path: String
    /// The field `args` of the form; nil: there is no form.
    var args: JSONValue?
    /// What was answered; nil: it was not recorded.
    var status: Int?
    var type: String?
    var body: String?
    /// What it had brought beside, and was not written down: it cannot be sent again as it was.
    var leftOut: [String] = []

    /// - Returns: the lines of a file; empty ones and those that begin with `#` say nothing.
    public static func all(of text: String) throws(Malformed) -> [DialogueLine] {
        var lines: [DialogueLine] = []
        for (number, raw) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = PythonText.strip(raw)
            guard !line.isEmpty, !line.hasPrefix("#") else { continue }
            do throws(Malformed) {
                lines.append(try DialogueLine(line))
            } catch {
                throw Malformed(description: "line \(number + 1): \(error.description)")
            }
        }
        return lines
    }

    init(_ text: String) throws(Malformed) {
        let json: JSONValue
        do {
            json = try JSONValue(parsing: text.utf8)
        } catch {
            throw Malformed(description: "not JSON: \(error)")
        }
        guard case .object(let members) = json else { throw Malformed(description: "not an object") }
        let known: Set<String> = [
            "method", "path", "args", "status", "type", "body", "at", "note", "left_out",
        ]
        if let other = members.first(where: { !known.contains($0.name) }) {
            throw Malformed(description: "there is no member \"\(other.name)\"")
        }
        func member(_ name: String) throws(Malformed) -> String? {
            guard let value = json[name] else { return nil }
            guard let text = value.string else { throw Malformed(description: "\(name) is not a text") }
            return text
        }
        guard let path = try member("path"), path.hasPrefix("/"), path.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
        else { throw Malformed(description: "path is missing, or is not an encoded path that begins with /") }
        self.path = path
        args = json["args"]
        method = try member("method") ?? (args == nil ? "GET" : "POST")
        guard ["GET", "POST", "HEAD", "OPTIONS"].contains(method) else {
            throw Malformed(description: "method is none of GET, POST, HEAD, OPTIONS")
        }
        type = try member("type")
        body = try member("body")
        // For people.
        _ = try (member("at"), member("note"))
        if let value = json["left_out"] {
            guard case .array(let names) = value else { throw Malformed(description: "left_out is not a list") }
            leftOut = names.map(\.pythonText)
        }
        if let value = json["status"] {
            guard let number = value.integer, (100...599).contains(number) else {
                throw Malformed(description: "status is not an HTTP status")
            }
            status = number
        }
    }

    /// It may make a job, end one, or let one go.
    var changesJobs: Bool {
        guard method == "POST", case .route(let route, hasBody: _) = Route.match(method: method, target: path) else {
            return false
        }
        return switch route {
        case .submit, .terminate, .release: true
        case .request(let path): path.hasSuffix("/shutdown") || path.hasSuffix("/abort")
        default: false
        }
    }

    /// On one line, quoted as JSON is.
    private func shown(_ text: String) -> String {
        let limit = 60
        return JSONText(String(text.unicodeScalars.prefix(limit))).text + (text.unicodeScalars.count > limit ? "…" : "")
    }

    /// What is not as it was recorded; nil: all that was is the same.
    func difference(from answer: (status: Int, type: String, body: String)) -> String? {
        if let status, status != answer.status { return "status \(answer.status), recorded \(status)" }
        if let type, type != answer.type { return "type \(shown(answer.type)), recorded \(shown(type))" }
        guard let body, body != answer.body else { return nil }
        let same = zip(body.unicodeScalars, answer.body.unicodeScalars).prefix { $0 == $1 }.count
        func rest(_ text: String) -> String { shown(String(text.unicodeScalars.dropFirst(same))) }
        return "body from character \(same + 1): \(rest(answer.body)), recorded \(rest(body))"
    }
}
