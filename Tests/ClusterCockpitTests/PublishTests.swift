// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import JobLifecycle
import NIOConcurrencyHelpers
import Testing

@testable import ClusterCockpit

/// A NATS server with a backend behind it, in memory: a test says whether it takes a message, and whether the backend gets it.
final class FakePublisher: EventPublisher {
    struct State {
        var messages: [String] = []
        var failures: [CockpitError] = []
        /// So many of the next messages nobody gets.
        var lost = 0
    }

    let backend: FakeBackend
    let state = NIOLockedValueBox(State())

    init(_ backend: FakeBackend) {
        self.backend = backend
        backend.state.withLockedValue { $0.isByNATS = true }
    }

    var messages: [String] { state.withLockedValue { $0.messages } }

    func publish(_ message: [UInt8]) async throws(CockpitError) {
        let text = String(decoding: message, as: UTF8.self)
        let (failure, isLost) = state.withLockedValue { state -> (CockpitError?, Bool) in
            if !state.failures.isEmpty { return (state.failures.removeFirst(), true) }
            state.messages.append(text)
            state.lost -= 1
            return (nil, state.lost >= 0)
        }
        if let failure { throw failure }
        guard !isLost else { return }
        for line in text.split(separator: "\n") {
            guard
                let function = ["start_job", "stop_job"].first(where: { line.hasPrefix("job,function=\($0) event=\"") }
                ),
                let open = line.firstIndex(of: "\""), let close = line.lastIndex(of: "\"")
            else {
                Issue.record("not a line: \(line)")
                continue
            }
            let body = line[line.index(after: open)..<close].replacing(#"\""#, with: "\"").replacing(
                #"\\"#, with: #"\"#)
            backend.take("/jobs/\(function)/", String(body))
        }
    }

    func check() async throws(CockpitError) {}
    func shutdown() async {}
}

struct PublishTests {
    private static func site(
        _ change: (inout CockpitSettings) -> Void = { _ in }
    ) async throws -> (SenderHarness, FakePublisher) {
        let site = try await SenderHarness(byNATS: true, change)
        return (site, try #require(site.publisher))
    }

    private static func start(_ site: SenderHarness, _ job: UInt32, at start: Int64 = 100) async throws {
        try await site.tell(.running, job: Int64(job), id: job, submitted: start - 10, start: start, state: .running)
        try await site.run()
    }

    private static func end(_ site: SenderHarness, _ job: UInt32, at start: Int64 = 100) async throws {
        try await site.tell(
            .ended, job: Int64(job), id: job, submitted: start - 10, start: start, end: start + 60, state: .failed)
        try await site.run()
    }

    private static func confirm(_ site: SenderHarness, after seconds: Int64) async throws {
        site.move(seconds)
        _ = await site.sender.confirm()
        try await site.run()
    }

    @Test("a clock that was years ahead and is set right keeps nothing from being confirmed")
    func aClockThatIsSetBack() async throws {
        let (site, events) = try await Self.site()
        let years: Int64 = 20 * 365 * 86_400
        site.move(years)
        try await Self.start(site, 7)
        site.backend.script("/jobs/", .failure(CockpitError(.unavailable, "connection refused")))
        try await Self.confirm(site, after: 3600)
        #expect(try await site.store.unconfirmedCount("main") == 1)
        site.move(-years)
        await site.sender.recall()
        try await Self.confirm(site, after: 0)
        #expect(try await site.store.unconfirmedCount("main") == 0)
        #expect(events.messages.count == 1)
    }

    @Test func aStopGoesWithItsStart() async throws {
        let (site, events) = try await Self.site()
        try await Self.start(site, 7)
        try await Self.end(site, 7)
        #expect(events.messages.count == 2)
        #expect(events.messages[0].split(separator: "\n").count == 1)
        let lines = events.messages[1].split(separator: "\n")
        #expect(lines.count == 2 && lines[0].contains("start_job") && lines[1].contains("stop_job"))
        // The name of the function, the request in quotes, nanoseconds.
        #expect(lines[1].hasSuffix("\" \(site.seconds)000000000"))
        #expect(site.backend.rows == [7: [.init(start: 100, state: "failed", end: 160)]])
        #expect(site.backend.requests.filter { $0.path.hasPrefix("/jobs/st") }.count == 1)
        // Until the backend's list has it, it is in doubt.
        #expect(try await site.store.unconfirmedCount("main") == 1)
        try await Self.confirm(site, after: 16)
        #expect(try await site.store.unconfirmedCount("main") == 0)
        #expect(events.messages.count == 2)
    }

    /// Told late, of a job that is over: nothing can come between the two.
    @Test func aRunThatIsOverIsOneMessage() async throws {
        let (site, events) = try await Self.site()
        try await site.tell(.running, job: 1, id: 7, submitted: 90, start: 100, state: .running)
        try await Self.end(site, 7)
        #expect(events.messages.count == 1 && events.messages[0].split(separator: "\n").count == 2)
        #expect(site.backend.rows == [7: [.init(start: 100, state: "failed", end: 160)]])
    }

    @Test(arguments: [0, 1, 2, 3])
    func whatIsLostIsPublishedAgain(lost: Int) async throws {
        let (site, events) = try await Self.site()
        events.state.withLockedValue { $0.lost = lost }
        try await Self.start(site, 7)
        try await Self.confirm(site, after: 181)
        try await Self.end(site, 7)
        for _ in 0..<4 { try await Self.confirm(site, after: 500) }
        #expect(site.backend.rows == [7: [.init(start: 100, state: "failed", end: 160)]])
        #expect(try await site.store.unconfirmedCount("main") == 0)
        #expect(events.messages.count <= 2 + lost)
    }

    /// It was published, and the agent is killed before it looked.
    @Test func doubtOutlivesTheAgent() async throws {
        let (site, events) = try await Self.site()
        events.state.withLockedValue { $0.lost = 1 }
        try await Self.start(site, 7)
        try await site.restart()
        #expect(site.backend.rows.isEmpty)
        try await Self.confirm(site, after: 181)
        #expect(site.backend.rows == [7: [.init(start: 100, state: "running")]])
    }

    /// The backend refuses it, which nobody hears.
    @Test func whatNeverArrivesIsGivenUp() async throws {
        let (site, events) = try await Self.site()
        events.state.withLockedValue { $0.lost = 100 }
        try await Self.start(site, 7)
        for _ in 0..<10 { try await Self.confirm(site, after: 7200) }
        #expect(events.messages.count == BackendSender.publishTries)
        let row = try #require(try await site.store.list(jobID: 7, limit: 1).first?.row)
        #expect(row.phase == .parked && row.reason?.contains("its log says why") == true)
        _ = try await site.store.retry("main", jobID: 7)
        events.state.withLockedValue { $0.lost = 0 }
        try await site.run()
        #expect(site.backend.rows[7]?.count == 1)
    }

    @Test func aServerThatIsAwayCostsNoJob() async throws {
        let (site, events) = try await Self.site()
        events.state.withLockedValue {
            $0.failures = [.init(.unavailable, "connection refused"), .init(.unavailable, "no answer within 20 s")]
        }
        try await Self.start(site, 7)
        #expect(await site.sender.problem == "connection refused")
        for _ in 0..<3 {
            site.move(60)
            try await site.run()
        }
        #expect(site.backend.rows[7]?.count == 1)
        #expect(await site.sender.problem == nil)
        // One that it never takes holds up nobody.
        events.state.withLockedValue { $0.failures = [.init(.refused, "the message has 9 bytes")] }
        try await Self.start(site, 8)
        try await Self.start(site, 9)
        #expect(site.backend.rows.keys.sorted() == [7, 9])
        #expect(try await site.store.counts("main").parked == 1)
    }

    /// A row cannot be taken away before it has arrived.
    @Test func aRequeueWaitsForTheFormerRun() async throws {
        let (site, events) = try await Self.site()
        try await Self.start(site, 7)
        try await site.tell(.requeued, job: 7, id: 7, submitted: 90, start: 100, end: 120)
        try await site.run()
        try await site.tell(.running, job: 7, id: 7, submitted: 121, start: 130, state: .running)
        try await site.run()
        #expect(!site.backend.requests.contains { $0.path == "/jobs/delete_job/" })
        try await Self.confirm(site, after: 16)
        #expect(site.backend.rows == [7: [.init(start: 130, state: "running")]])
        #expect(events.messages.count == 3)
    }

    @Test func aBackendThatTakesJobsByHTTPIsNamed() async throws {
        let (site, events) = try await Self.site()
        site.backend.state.withLockedValue { $0.isByNATS = false }
        site.backend.script("/jobs/start_job/", 400, "'resources' and 'user' should not be empty")
        try await Self.start(site, 7)
        #expect(await site.sender.problem == BackendSender.wrongWay)
        #expect(events.messages.isEmpty)
        // It was, and is not any more: nothing is given up.
        let (other, later) = try await Self.site()
        later.state.withLockedValue { $0.lost = 1 }
        try await Self.start(other, 7)
        other.backend.script("/jobs/start_job/", 400, "'resources' and 'user' should not be empty")
        try await Self.confirm(other, after: 181)
        #expect(await other.sender.problem == BackendSender.wrongWay)
        #expect(later.messages.count == 1)
        #expect(try await other.store.counts("main").parked == 0)
    }
}

struct EventLineTests {
    @Test func aLineIsARequestInAField() throws {
        let stop = StopMessage(jobId: 7, cluster: #"a"b\c"#, startTime: 1, jobState: "completed", stopTime: 2)
        let text = String(decoding: try JobEventLines.stop(stop, time: 5), as: UTF8.self)
        #expect(text.hasPrefix(#"job,function=stop_job event="{\""#) && text.hasSuffix("}\" 5\n"))
        #expect(text.contains(#"\"cluster\":\"a\\\"b\\\\c\""#))
        // 0 is no time to cc-backend.
        #expect(String(decoding: try JobEventLines.stop(stop, time: 0), as: UTF8.self).hasSuffix("\" 1\n"))
        let lines = StopMessage(jobId: 7, cluster: "a\nb\r\u{0}", startTime: 1, jobState: "x", stopTime: 2)
        #expect(try JobEventLines.stop(lines, time: 5).count { $0 == UInt8(ascii: "\n") } == 1)
    }
}
