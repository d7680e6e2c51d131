// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Logging
import NIOConcurrencyHelpers
import Sockets
import Testing

@testable import Jarvice

@Suite("Recorded requests")
struct DialogueTests {
    @Test("a line is a request, with what was answered")
    func lines() throws {
        let lines = try DialogueLine.all(
            of: """
                # a comment

                {"path":"/running"}
                 {"path":"/gc","method":"HEAD","status":200,"type":"application/json","body":""}
                {"path":"/runstatus?x=1","args":{"name":"a","number":1e2,"jobid":"7"},"status":500}
                """)
        #expect(lines.map(\.method) == ["GET", "HEAD", "POST"] && lines.map(\.status) == [nil, 200, 500])
        #expect(lines.map { $0.args.map { JSONText($0).text } }.last == #"{"jobid":"7","name":"a","number":100.0}"#)
        for (text, words) in [
            ("x", "line 1: not JSON"), ("[]", "not an object"), ("{}", "path is missing"), (#"{"path":"x"}"#, "path"),
            (#"{"path":"/a b"}"#, "path"), (#"{"path":"/","method":"DELETE"}"#, "method is none"),
            (#"{"path":"/","status":"200"}"#, "status"), (#"{"path":"/","status":7}"#, "status"),
            (#"{"path":"/","body":1}"#, "body is not a text"),
            (#"{"path":"/","left_out":"x"}"#, "left_out is not a list"),
            (#"{"path":"/","note":1}"#, "note is not a text"), (#"{"path":"/","pat":1}"#, "no member \"pat\""),
        ] {
            do {
                _ = try DialogueLine.all(of: text)
                Issue.record("taken: \(text)")
            } catch {
                #expect("\(error)".contains(words), "\(error)")
            }
        }
    }

    @Test("what makes, ends or releases jobs is known")
    func changes() throws {
        for (path, changes) in [
            ("/submit", true), ("/terminate", true), ("/release", true), ("//submit", false), ("/runstatus", false),
            ("/request/a/1/7/shutdown", true), ("/request/a/1/7/%61bort", true), ("/request/a/1/7/tail", false),
            ("/nothing", false),
        ] {
            #expect(try DialogueLine(#"{"path":"\#(path)","args":{}}"#).changesJobs == changes, "\(path)")
        }
        #expect(try !DialogueLine(#"{"path":"/submit"}"#).changesJobs)
    }

    @Test("they are sent to a running gateway, and what is not as it was is told")
    func played() async throws {
        let folder = FileManager.default.temporaryDirectory.path + "/played-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/socket"
        let (opened, open) = AsyncStream.makeStream(of: String?.self)
        // Jobs that wait as long as a busy host may need for this.
        var waiting = DummyConnector.Settings()
        waiting.queued = 3600
        let server = CallServer(
            .init(address: .unix(try UnixSocketPath(path), mode: 0o600), access: ServerAccess(key: "u:p")),
            dummy: DummyConnector(waiting), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            onTrouble: { open.yield($0) })
        let task = Task { try await server.run() }
        for await trouble in opened {
            try #require(trouble == nil)
            break
        }
        let lines = try DialogueLine.all(
            of: #"""
                {"path":"/gc","status":200,"type":"application/json","body":"{\"status\":\"OK\"}\n"}
                {"path":"/queued"}
                {"path":"/queued","body":"[[\"a\",\"b\"]]\n"}
                {"path":"/runstatus","args":{"name":"é","number":1,"jobid":"7"},"status":200}
                {"path":"/events","args":{"name":"é&=+","number":1,"jobid":"7"},"body":"\"This is events for job \\u00e9&=+ \\n Nothing to say, everything is ok.\"\n"}
                {"path":"/submit","args":{"name":"a","number":1},"status":200}
                {"path":"/nodes","type":"text/plain"}
                {"path":"/request/pvcls","args":{"qs":{}},"left_out":["bearer"],"at":"2026-11-30T12:00:00Z","note":"3 bytes"}
                """#)
        func play(_ player: DialoguePlayer) async throws -> [DialoguePlayer.Outcome] {
            var told: [DialoguePlayer.Outcome] = []
            try await player.play(lines) { told.append($2) }
            return told
        }
        let player = DialoguePlayer(address: path, key: "u:p", authority: nil, sendsChanges: false)
        #expect(
            try await play(player) == [
                .same, .answered(200),
                .different(#"body from character 2: "]\n", recorded "[\"a\",\"b\"]]\n""#),
                .different("status 500, recorded 200"), .same, .skipped,
                .different(#"type "text/html; charset=utf-8", recorded "text/plain""#), .incomplete(["bearer"]),
            ])
        let changing = DialoguePlayer(address: path, key: "u:p", authority: nil, sendsChanges: true)
        #expect(try await play(changing)[5] == .same)
        // The job of the submission before.
        #expect(
            try await play(player)[2]
                == .different(#"body from character 8: "dummy_1\"]]\n", recorded "b\"]]\n""#))
        task.cancel()
        _ = await task.result
        guard case .failed = try await play(player)[0] else {
            Issue.record("nobody listens, and somebody answers")
            return
        }
    }
}
