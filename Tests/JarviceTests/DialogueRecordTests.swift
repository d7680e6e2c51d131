// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Glibc
import Logging
import NIOConcurrencyHelpers
import Testing

@testable import Jarvice

@Suite("Recording requests")
struct DialogueRecordTests {
    private static func line(
        _ method: String, _ target: String, _ args: String?, _ answer: Answer
    ) throws -> String {
        guard case .route(let route, _) = Route.match(method: method, target: target) else {
            throw JarviceError(.refused, "no route")
        }
        let args = try args.map { try JSONValue(parsing: $0.utf8) }
        return DialogueRecord.line(method, target, route, args, answer, at: 1_790_000_000)
    }

    @Test(
        "what is kept of a call and its answer",
        arguments: [
            (
                "GET", "/running?key=S3CRET", nil, Answer(200, type: Answer.json, "[[\"a\",\"1\"]]\n"),
                #"{"at":"2026-09-21T14:13:20Z","body":"[[\"a\",\"1\"]]\n","method":"GET","path":"/running","status":200,"#
                    + #""type":"application/json"}"#
            ),
            (
                "POST", "/runstatus", #"{"name":"é","number":1,"jobid":"7","S3CRET":"S3CRET"}"#,
                Answer(200, type: Answer.json, "[null]\n"),
                #"{"args":{"jobid":"7","name":"\u00e9","number":1},"at":"2026-09-21T14:13:20Z","body":"[null]\n","#
                    + #""left_out":["\u2026"],"method":"POST","path":"/runstatus","status":200,"type":"application/json"}"#
            ),
            (
                "POST", "/submit",
                #"{"name":"a","number":1,"nodes":2,"hpc_script":{"singularity":"S3CRET"},"bearer":"S3CRET","held":true}"#,
                Answer(200, type: Answer.json, #"["17","export KEY=S3CRET"]"#),
                #"{"args":{"held":true,"name":"a","nodes":2,"number":1},"at":"2026-09-21T14:13:20Z","#
                    + #""left_out":["bearer","hpc_script"],"method":"POST","note":"job 17","path":"/submit","status":200,"#
                    + #""type":"application/json"}"#
            ),
            (
                "POST", "/exitstatus", #"{"name":"a","number":1,"jobid":"7"}"#,
                Answer(200, type: Answer.json, #"[0,"00:00:05",["it printed S3CRET","<< CD >>"]]"#),
                #"{"args":{"jobid":"7","name":"a","number":1},"at":"2026-09-21T14:13:20Z","method":"POST","#
                    + #""note":"[0,\"00:00:05\",\"<< CD >>\"]","path":"/exitstatus","status":200,"type":"application/json"}"#
            ),
            (
                "POST", "/exitstatus", #"{"name":"a","number":1,"jobid":"7"}"#,
                Answer(200, type: Answer.json, #"[-9,"00:00:00",[]]"#),
                #"{"args":{"jobid":"7","name":"a","number":1},"at":"2026-09-21T14:13:20Z","body":"[-9,\"00:00:00\",[]]","#
                    + #""method":"POST","path":"/exitstatus","status":200,"type":"application/json"}"#
            ),
            (
                "POST", "/request/a/1/7/info", #"{"qs":{"S3CRET":["S3CRET"]},"bearer":"S3CRET"}"#,
                Answer(200, type: Answer.json, #"{"url":"https://job7.example.org/S3CRET/"}"#),
                #"{"args":{"qs":{}},"at":"2026-09-21T14:13:20Z","left_out":["bearer","qs.\u2026"],"method":"POST","#
                    + #""note":"42 bytes","path":"/request/a/1/7/info","status":200,"type":"application/json"}"#
            ),
            (
                "POST", "/request/a/1/7/tail", #"{"qs":{"lines":["5"]}}"#, Answer(200, "S3CRET"),
                #"{"args":{"qs":{"lines":["5"]}},"at":"2026-09-21T14:13:20Z","method":"POST","note":"6 bytes","#
                    + #""path":"/request/a/1/7/tail","status":200,"type":"text/html; charset=utf-8"}"#
            ),
            (
                "POST", "/terminate", nil, Answer(500, "why"),
                #"{"args":{},"at":"2026-09-21T14:13:20Z","body":"why","left_out":["args"],"method":"POST","path":"/terminate","#
                    + #""status":500,"type":"text/html; charset=utf-8"}"#
            ),
        ])
    func lines(method: String, target: String, args: String?, answer: Answer, wanted: String) throws {
        let line = try Self.line(method, target, args, answer)
        #expect(line == wanted + "\n")
        #expect(!line.contains("S3CRET"))
        // It is read again; what was not recorded whole is not sent.
        let read = try DialogueLine.all(of: line)
        #expect(read.count == 1 && read[0].leftOut.isEmpty == !line.contains("left_out"))
    }

    @Test("what is long is left out")
    func bounds() throws {
        let long = String(repeating: "x", count: DialogueRecord.valueLimit)
        let brought = try Self.line("POST", "/events", #"{"name":"\#(long)","number":1,"jobid":"7"}"#, Answer(200, "a"))
        #expect(brought.contains(#""left_out":["name"]"#) && !brought.contains(long))
        let told = try Self.line("GET", "/queued", nil, Answer(200, String(repeating: "y", count: 16_385)))
        #expect(told.contains(#""note":"16385 bytes""#) && !told.contains("yy"))
        let path = try Self.line("GET", "/li%76e?" + long, nil, Answer(200, "a"))
        #expect(path.contains(#""path":"/li%76e""#))
    }

    private struct Folder {
        let path: String

        init() throws {
            path = FileManager.default.temporaryDirectory.path + "/recorded-\(UUID().uuidString.prefix(8))"
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }

        func text(_ name: String) -> String {
            FileManager.default.contents(atPath: "\(path)/\(name)").map { String(decoding: $0, as: UTF8.self) } ?? "-"
        }

        func mode(_ name: String) -> Int? {
            try? FileManager.default.attributesOfItem(atPath: "\(path)/\(name)")[.posixPermissions] as? Int
        }

        func remove() { try? FileManager.default.removeItem(atPath: path) }
    }

    @Test("the file is its owner's alone; a full one is kept beside it, one only")
    func file() throws {
        let folder = try Folder()
        defer { folder.remove() }
        let file = DialogueFile(path: folder.path + "/calls", limit: 10)
        #expect(
            FileManager.default.createFile(
                atPath: folder.path + "/calls", contents: Data("old\n".utf8), attributes: [.posixPermissions: 0o644]))
        try file.append("12345\n")
        #expect(folder.text("calls") == "old\n12345\n" && folder.mode("calls") == 0o600)
        try file.append("second\n")
        #expect(folder.text("calls") == "second\n" && folder.text("calls.1") == "old\n12345\n")
        try file.append("larger than all\n")
        #expect(folder.text("calls") == "larger than all\n" && folder.text("calls.1") == "second\n")
        #expect(folder.mode("calls") == 0o600 && folder.mode("calls.1") == 0o600)
        for (name, make) in [
            ("link", { symlink(folder.path + "/calls", $0) }), ("pipe", { mkfifo($0, 0o600) }),
            ("name", { link(folder.path + "/calls.1", $0) }),
        ] as [(String, (String) -> Int32)] {
            try #require(make("\(folder.path)/\(name)") == 0)
            #expect(throws: DialogueFile.Problem.self, "\(name)") {
                try DialogueFile(path: "\(folder.path)/\(name)").append("x\n")
            }
        }
        #expect(folder.text("calls.1") == "second\n")
        do {
            try DialogueFile(path: folder.path + "/none/calls").append("x\n")
            Issue.record("written")
        } catch {
            #expect("\(error)".contains("none is not there: make it"), "\(error)")
        }
    }

    @Test("what is asked again and answered the same is written once; what a disk does not take is counted")
    func recorder() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        let troubles = NIOLockedValueBox<[String?]>([])
        let recorder = DialogueRecorder(
            DialogueFile(path: folder.path + "/deep/calls"),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            onTrouble: { trouble in troubles.withLockedValue { $0.append(trouble) } }, now: { 0 })
        func ask(_ method: String, _ path: String, _ route: Route, _ body: String) {
            recorder.take(
                CallRequest(method: method, target: path), route, method == "POST" ? .object([]) : nil,
                Answer(200, body))
        }
        ask("GET", "/running", .running, "a")
        await recorder.flush()
        #expect(troubles.withLockedValue { $0.count == 1 && $0[0]?.contains("deep is not there") == true })
        try FileManager.default.createDirectory(atPath: folder.path + "/deep", withIntermediateDirectories: true)
        for body in ["a", "a", "b", "b", "a"] { ask("GET", "/running", .running, body) }
        for _ in 0..<2 { ask("POST", "/runstatus", .runstatus, "a") }
        // More than may wait.
        let large = String(repeating: "z", count: 16_000)
        for _ in 0..<100 { ask("POST", "/events", .events, large) }
        await recorder.flush()
        let lines = folder.text("deep/calls").split(separator: "\n").map(String.init)
        #expect(lines[0].hasPrefix("# ") && lines[0].hasSuffix(" calls before were not recorded"))
        #expect(lines.count { $0.contains("/running") } == 2 && lines.count { $0.contains("/runstatus") } == 2)
        let events = lines.count { $0.contains("/events") }
        #expect(events > 50 && events < 70)
        #expect(lines[0] == "# \(1 + 100 - events) calls before were not recorded")
        #expect(troubles.withLockedValue { $0.count == 2 && $0[1] == nil })
        await recorder.flush()
        ask("POST", "/events", .events, "a")
        await recorder.flush()
        #expect(folder.text("deep/calls").split(separator: "\n").count == lines.count + 1)
        #expect(try DialogueLine.all(of: folder.text("deep/calls")).count == lines.count)
    }
}
