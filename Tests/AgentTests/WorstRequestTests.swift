// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Agent
@testable import Ethereum

@Suite("The worst megabyte as a question on the control socket")
struct WorstRequestTests {
    private static let size = 1 << 20
    private static func filled(_ part: String) -> String { String(repeating: part, count: size / part.utf8.count) }
    private static let head = #"{"command":"ping","key":"#

    static let worst: [(name: String, text: String)] = [
        ("arrays within arrays", filled("[")), ("objects within objects", filled("{\"command\":")),
        ("values nested in a field that is known", head + filled("[") + "0" + filled("]") + "}"),
        ("a field again and again", "{" + filled(#""command":"ping","#) + #""command":"ping"}"#),
        ("fields that nobody knows", "{" + (0..<60_000).map { "\"f\($0)\":0," }.joined() + #""command":"ping"}"#),
        ("a list of zeros", head + "[" + filled("0,") + "0]}"), ("one long name", "{\"" + filled("a") + "\":0}"),
        ("names in snake case", "{\"" + filled("_a") + "\":0}"), ("one long number", head + filled("1") + "}"),
        ("spaces", filled(" ") + "{}"), ("an open string", head + "\"" + filled("a")),
    ]

    @Test("is left in one pass, before Foundation's decoder sees it", arguments: worst)
    func onePass(_ input: (name: String, text: String)) {
        let bytes = Array(input.text.utf8)
        var parser = JSONParser(ControlRequest.limits)
        _ = try? parser.parse(bytes)
        #expect(parser.steps <= JSONParser.worstSteps(bytes: bytes.count))
        #expect(ControlRequest(line: bytes) == nil)
    }

    @Test("what is nested is left at once")
    func early() {
        var parser = JSONParser(ControlRequest.limits)
        #expect(throws: JSONParser.Failure.self) { try parser.parse(Array(Self.filled("[").utf8)) }
        #expect(parser.steps < 20)
    }

    @Test("one long word is a question like any other: the door has its limit")
    func long() {
        let request = ControlRequest(line: Array((Self.head + "\"" + Self.filled("\\u0061") + "\"}").utf8))
        #expect(request?.key?.utf8.count == Self.size / 6)
        #expect(ControlServer.Limits().requestBytes < Self.size)
    }

    @Test(
        "what commands ask is read",
        arguments: [
            (#"{"command":"events","since":7,"observations":true}"#, 7 as Int64?),
            (#"{"command":"retry","ledger_job":3,"limit":5,"key":"a b"}"#, nil),
        ])
    func questions(_ text: String, _ since: Int64?) {
        let request = ControlRequest(line: Array(text.utf8))
        #expect(request != nil && request?.since == since)
    }
}
