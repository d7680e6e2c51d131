// SPDX-License-Identifier: GPL-3.0-or-later

import NIOConcurrencyHelpers
import Testing

@testable import Jarvice

@Suite("The dummy connector")
struct DummyTests {
    private let time = NIOLockedValueBox<Int64>(1000)
    private let luck = NIOLockedValueBox(100)

    private func dispatcher(_ change: (inout DummyConnector.Settings) -> Void = { _ in }) -> Dispatcher {
        var settings = DummyConnector.Settings()
        change(&settings)
        let dummy = DummyConnector(
            settings, now: { [time] in time.withLockedValue { $0 } }, chance: { [luck] in luck.withLockedValue { $0 } })
        return Dispatcher(handler: dummy, access: ServerAccess(key: nil))
    }

    private func answer(_ dispatcher: Dispatcher, _ target: String, _ args: String? = nil) async throws -> Answer {
        var request = CallRequest(method: args == nil ? "GET" : "POST", target: target)
        request.contentType = "application/x-www-form-urlencoded"
        return try await dispatcher.answer(request) { Array("args=\(args ?? "")".utf8) }
    }

    private static func job(_ name: String) -> String { #"{"name":"\#(name)","number":7,"jobid":"dummy_7"}"# }

    @Test("a job waits, runs and ends by the clock")
    func life() async throws {
        let site = dispatcher()
        #expect(
            try await answer(site, "/submit", #"{"name":"it's","number":7}"#).body
                == #"["dummy_7","INSERT INTO jobs VALUES (\"it's\", '7', 'dummy_7', '1000')"]"# + "\n")
        time.withLockedValue { $0 = 1004 }
        _ = try await answer(site, "/submit", #"{"name":"b","number":null}"#)
        let (first, second) = (#"["it's","dummy_7"]"#, #"["b","dummy_None"]"#)
        for (now, queued, running) in [
            (1004, [first, second], []), (1005, [second], []), (1006, [second], [first]), (1009, [], [first]),
            (1014, [], [first, second]), (1015, [], [second]), (1019, [], []),
        ] as [(Int64, [String], [String])] {
            time.withLockedValue { $0 = now }
            #expect(try await answer(site, "/queued").body == "[\(queued.joined(separator: ","))]\n", "\(now)")
            #expect(try await answer(site, "/running").body == "[\(running.joined(separator: ","))]\n", "\(now)")
        }
        #expect(
            try await answer(site, "/runstatus", Self.job("it's")).body
                == #"["sqlite3_dummy","0:00:19","it's/7/dummy_7",null]"# + "\n")
        #expect(try await answer(site, "/runstatus", Self.job("none")).status == 500)
        #expect(
            try await answer(site, "/events", Self.job("b")).body
                == #""This is events for job b \n Nothing to say, everything is ok.""# + "\n")
        #expect(try await answer(site, "/terminate", Self.job("b")).body == "true\n")
        #expect(try await answer(site, "/release", Self.job("none")).body == "true\n")
    }

    @Test("an end is told whatever is asked for, and once")
    func ends() async throws {
        let site = dispatcher { $0.running = 86_395 }
        _ = try await answer(site, "/submit", #"{"name":"a","number":7}"#)
        for (luck, code, word) in [(50, 0, "COMPLETED"), (49, 1, "ERROR"), (100, 0, "COMPLETED")] {
            self.luck.withLockedValue { $0 = luck }
            #expect(
                try await answer(site, "/exitstatus", Self.job("a")).body
                    == #"[\#(code),"1 day, 0:00:00",["This is job a\nAnd I runned for 1 day, 0:00:00","#
                    + #""<< termination state: \#(word) -- see STDOUT for job errors if any >>"]]"# + "\n")
        }
        #expect(try await answer(site, "/queued").body == "[]\n")
        #expect(try await answer(site, "/exitstatus", #"{"name":"a"}"#).status == 500)
    }

    @Test("below /request, and what the others answer")
    func requests() async throws {
        let site = dispatcher()
        let qs = #"{"qs":{}}"#
        for (path, status) in [
            ("a/7/d", 200), ("a/7/d/ping", 200), ("a/7", 400), ("a/7/d/ping/", 400), ("pvcls", 400), ("pvcls/", 400),
            ("a/7/d/abort", 200),
        ] {
            let found = try await answer(site, "/request/\(path)", qs)
            #expect(found.status == status && found.body.isEmpty, "\(path)")
        }
        let tail = try await answer(site, "/request/a/7/d/tail", qs)
        #expect(tail.status == 200 && tail.body.hasPrefix("\nLogs for job a\n") && tail.type == Answer.html)
        #expect(try await answer(site, "/request/a/7/d/info", qs).body.contains(#""url":"""#))
        let pages = dispatcher { $0.isInteractive = true }
        #expect(try await answer(pages, "/request/a/7/d/info", qs).body.contains(#""url":"http://localhost:8080""#))
        #expect(try await answer(site, "/gc").body == "{\"status\":\"OK\"}\n")
        #expect(try await answer(site, "/nodes").body == "true")
        #expect(try await answer(site, "/submit", #"{"name":"a"}"#).status == 500)
    }
}
