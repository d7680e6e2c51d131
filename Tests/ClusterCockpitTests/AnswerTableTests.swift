// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@testable import ClusterCockpit

/// The table of answers against every recorded exchange of a start and a stop with a real 1.4.4 and a real 1.5.4.
struct AnswerTableTests {
    struct Exchange: Decodable {
        struct Request: Decodable {
            var method: String
            var path: String
        }

        struct Response: Decodable {
            var status: Int
            var body: Body?
        }

        enum Body: Decodable {
            case text(String)
            case document(error: String?)

            init(from decoder: any Decoder) throws {
                struct Refusal: Decodable { var error: String? }
                if let text = try? decoder.singleValueContainer().decode(String.self) {
                    self = .text(text)
                } else {
                    self = .document(error: (try? Refusal(from: decoder))?.error)
                }
            }
        }

        var name: String
        var request: Request
        var response: Response

        var answer: BackendAnswer {
            switch response.body {
            case .text(let text): BackendAnswer(response.status, text)
            case .document(let error): BackendAnswer(response.status, error ?? "")
            case nil: BackendAnswer(response.status)
            }
        }
    }

    static func recorded(_ release: String) throws -> [Exchange] {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "lab/clustercockpit/recorded/\(release).jsonl")
        return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map {
            try JSONDecoder().decode(Exchange.self, from: Data($0.utf8))
        }
    }

    private static func code(_ meaning: AnswerMeaning) -> String {
        switch meaning {
        case .done: "done"
        case .exists: "exists"
        case .startMissing: "start missing"
        case .otherRelease: "other release"
        case .wait: "wait"
        case .backendWaits: "backend waits"
        case .refused: "refused"
        }
    }

    private func meanings(
        _ recording: String, _ release: BackendRelease, _ call: BackendCall, path: String
    ) throws -> [String: String] {
        var found: [String: String] = [:]
        for exchange in try Self.recorded(recording)
        where exchange.request.path == path && exchange.request.method == "POST" {
            found[exchange.name] = Self.code(AnswerTable.meaning(of: exchange.answer, to: call, release: release))
        }
        return found
    }

    @Test(arguments: [("1.5.4", BackendRelease.v15), ("1.4.4", .v14)])
    func everyRecordedStart(recording: String, release: BackendRelease) throws {
        let found = try meanings(recording, release, .start, path: "/api/jobs/start_job/")
        #expect(found.count > 50)
        for (name, code) in found {
            // What a real one took is done.
            let status = try Self.recorded(recording).last { $0.name == name }?.response.status
            if status == 201 { #expect(code == "done", "\(name)") }
            if status == 400 { #expect(code == "refused" || code == "other release", "\(name)") }
            if status == 401 { #expect(code == "backend waits", "\(name)") }
        }
        #expect(found["start-unknown-host"] == "refused")
        #expect(found["start-unknown-cluster"] == "refused")
        #expect(found["start-unknown-field"] == "other release")
        #expect(found["start-numnodes-mismatch"] == "refused")
        #expect(found["start-smt-2"] == "refused")
        #expect(
            found["requeue-run2-start-at-once"] == (release == .v14 ? "exists" : found["requeue-run2-start-at-once"]))
        #expect(found["start-duplicate-at-once"] == (release == .v15 ? "done" : "exists"))
        #expect(found["start-duplicate-start+1h"] == "exists")
        #expect(found[release == .v15 ? "start-exclusive-1" : "start-shared-none"] == "other release")
    }

    @Test(arguments: [("1.5.4", BackendRelease.v15), ("1.4.4", .v14)])
    func everyRecordedStop(recording: String, release: BackendRelease) throws {
        let all = try Self.recorded(recording).filter { $0.request.path == "/api/jobs/stop_job/" }
        #expect(all.count > 15)
        for exchange in all {
            let code = Self.code(AnswerTable.meaning(of: exchange.answer, to: .stop, release: release))
            let text = exchange.answer.text
            switch exchange.response.status {
            case 200: #expect(code == "done", "\(exchange.name)")
            case 404, 422:
                #expect(code == (text.contains("finding job failed") ? "start missing" : "done"), "\(exchange.name)")
            case 400 where text.contains("unknown field"): #expect(code == "other release", "\(exchange.name)")
            case 400 where text.contains("job state") && release == .v15:
                #expect(code == "other release", "\(exchange.name)")
            case 400: #expect(code == "refused", "\(exchange.name)")
            default: break
            }
        }
    }

    /// What was seen of older releases, and what stands between.
    @Test(arguments: [
        (
            BackendRelease.v12, BackendCall.stop, 400,
            "stopTime must be larger than startTime and only running jobs can be stopped", "done"
        ),
        (.v13, .stop, 422, "finding job failed: sql: no rows in result set", "start missing"),
        (.v15, .stop, 404, "finding job failed: sql: no rows in result set", "start missing"),
        (.v15, .stop, 404, "the requested endpoint does not exist", "backend waits"),
        (.v14, .start, 404, "404 page not found", "backend waits"),
        (.v14, .start, 301, "", "backend waits"),
        (.v12, .start, 401, "token is malformed", "backend waits"),
        (.v13, .start, 403, "missing role: api", "backend waits"),
        (.v15, .start, 502, "a web page, not cc-backend's answer", "backend waits"),
        (.v15, .start, 500, "insert into database failed: database is locked", "wait"),
        (.v15, .start, 500, "insert into database failed: UNIQUE constraint failed: job_cache.job_id", "done"),
        (.v15, .start, 500, "CHECK constraint failed: shared", "refused"),
        (.v15, .start, 200, "", "backend waits"),
        (.v15, .delete, 422, "finding job failed: sql: no rows in result set", "done"),
        (.v15, .delete, 200, "", "done"),
    ])
    func table(release: BackendRelease, call: BackendCall, status: Int, text: String, expected: String) {
        #expect(Self.code(AnswerTable.meaning(of: BackendAnswer(status, text), to: call, release: release)) == expected)
    }

    @Test func reasonsAreReadOfAnyBody() {
        #expect(BackendText.reason(Array(#"{"status":"x","error":"why"}"#.utf8)) == "why")
        #expect(BackendText.reason(Array(#"{"error":"first"}{"error":"second"}"#.utf8)) == "first")
        #expect(BackendText.reason(Array("<html><body>502".utf8)).hasPrefix("a web page"))
        #expect(BackendText.reason(Array("404 page not found\n".utf8)) == "404 page not found")
        #expect(BackendText.reason([]) == "")
        #expect(BackendText.reason([UInt8](repeating: 0xff, count: 100_000)).count <= 301)
    }
}
