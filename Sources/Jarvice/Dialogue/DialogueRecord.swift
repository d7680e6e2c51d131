// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials

/// What of a call and its answer is written down. No I/O.
///
/// What is known to be harmless is kept, and nothing else: no header, no query, no token, no script, nothing that a job or a user wrote, and
/// no URL of an interactive job, which has its secret. A call that was not admitted, or that nothing answers to, is not recorded: its
/// path may be a secret that somebody sent to the wrong door.
enum DialogueRecord {
    /// Bytes of an answer; of a longer one the length.
    static let bodyLimit = 16 << 10
    /// Bytes of one thing that a call has brought.
    static let valueLimit = 1 << 10

    /// - Parameters:
    ///   - args: as the call has brought them; nil: it has none, or they could not be read.
    ///   - time: Unix seconds.
    /// - Returns: a ``DialogueLine``, with the end of its line.
    static func line(
        _ method: String, _ target: String, _ route: Route, _ args: JSONValue?, _ answer: Answer, at time: Int64
    ) -> String {
        var members: [String: JSONText] = [
            "at": JSONText(moment(time)), "method": JSONText(method), "path": JSONText(path(target)),
            "status": JSONText(answer.status), "type": JSONText(answer.type),
        ]
        if method == "POST", route != .online {
            let kept = args.map { keep($0, of: route) } ?? (JSONText([:]), leftOut: ["args"])
            members["args"] = kept.0
            if !kept.leftOut.isEmpty { members["left_out"] = JSONText(kept.leftOut.map { JSONText($0) }) }
        }
        switch told(answer, to: route) {
        case .all: members["body"] = JSONText(answer.body)
        case .part(let note): members["note"] = JSONText(note)
        }
        return JSONText(members).text + "\n"
    }

    private static func moment(_ time: Int64) -> String {
        Date(timeIntervalSince1970: Double(time)).formatted(.iso8601)
    }

    /// Without the query; what is not encoded is.
    private static func path(_ target: String) -> String {
        target.utf8.prefix { $0 != UInt8(ascii: "?") }.prefix(valueLimit).map { byte in
            (0x21...0x7e).contains(byte)
                ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
    }

    // MARK: what a call brings

    private static func keep(_ args: JSONValue, of route: Route) -> (JSONText, leftOut: [String]) {
        switch route {
        case .request:
            var (kept, leftOut) = keep(["lines", "path", "details"], of: args["qs"], as: "qs.")
            leftOut += members(of: args).filter { $0 != "qs" }.map(shown)
            kept = JSONText(["qs": kept])
            return (kept, leftOut.sorted())
        case .submit: return keep(["name", "number", "nodes", "held"], of: args)
        default: return keep(["name", "number", "jobid"], of: args)
        }
    }

    private static func keep(
        _ names: Set<String>, of value: JSONValue?, as prefix: String = ""
    ) -> (JSONText, leftOut: [String]) {
        var kept: [String: JSONText] = [:]
        var leftOut: [String] = []
        for name in members(of: value) {
            let text = names.contains(name) ? value?[name].map { JSONText($0) } : nil
            if let text, text.text.utf8.count <= valueLimit {
                kept[name] = text
            } else {
                leftOut.append(prefix + shown(name))
            }
        }
        return (JSONText(kept), leftOut.sorted())
    }

    private static func members(of value: JSONValue?) -> Set<String> {
        guard case .object(let members)? = value else { return [] }
        return Set(members.map(\.name))
    }

    /// A name that is not upstream's may be anything.
    private static func shown(_ name: String) -> String { known.contains(name) ? name : "…" }
    private static let known: Set<String> = [
        "bearer", "details", "held", "hpc_script", "jobid", "lines", "name", "nodes", "number", "path", "qs",
    ]

    // MARK: what is answered

    private enum Told {
        case all
        case part(String)
    }

    private static func told(_ answer: Answer, to route: Route) -> Told {
        guard answer.body.utf8.count <= bodyLimit else { return .part("\(answer.body.utf8.count) bytes") }
        guard answer.status == 200 else { return .all }
        switch route {
        // The job's number and its script.
        case .submit:
            let answered = try? JSONValue(parsing: answer.body.utf8)
            guard case .array(let values)? = answered, let job = values.first?.string, values.count == 2 else {
                return .part("no job")
            }
            return .part("job \(job.prefix(valueLimit))")
        // How it ended, and what it wrote.
        case .exitstatus:
            let answered = try? JSONValue(parsing: answer.body.utf8)
            guard case .array(let values)? = answered, values.count == 3, case .array(let texts) = values[2] else {
                return .part("\(answer.body.utf8.count) bytes")
            }
            return texts.isEmpty
                ? .all : .part(JSONText(.array([values[0], values[1], texts.last ?? .null])).text)
        case .request: return answer.body.isEmpty ? .all : .part("\(answer.body.utf8.count) bytes")
        default: return .all
        }
    }
}
