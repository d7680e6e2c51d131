// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Agent

@Suite("The worst megabyte as a question on the control socket")
struct WorstRequestTests {
    private static let size = 1 << 20
    private static func filled(_ part: String) -> String { String(repeating: part, count: size / part.utf8.count) }
    private static let head = #"{"command":"ping","key":"#

    /// Told by its name: a megabyte takes longer to print than to read.
    struct Input: CustomTestStringConvertible, Sendable {
        let name: String
        let text: String
        var testDescription: String { name }
    }

    static let worst = texts.map { Input(name: $0.name, text: $0.text) }
    private static let texts: [(name: String, text: String)] = [
        ("arrays within arrays", filled("[")), ("objects within objects", filled("{\"command\":")),
        ("values nested in a field that is known", head + filled("[") + "0" + filled("]") + "}"),
        ("a field again and again", "{" + filled(#""command":"ping","#) + #""command":"ping"}"#),
        ("fields that nobody knows", "{" + (0..<60_000).map { "\"f\($0)\":0," }.joined() + #""command":"ping"}"#),
        ("a list of zeros", head + "[" + filled("0,") + "0]}"), ("one long name", "{\"" + filled("a") + "\":0}"),
        ("names in snake case", "{\"" + filled("_a") + "\":0}"), ("one long number", head + filled("1") + "}"),
        ("spaces", filled(" ") + "{}"), ("an open string", head + "\"" + filled("a")),
    ]

    @Test("is left in one pass, before Foundation's decoder sees it", arguments: worst)
    func onePass(_ input: Input) {
        let bytes = Array(input.text.utf8)
        var shape = FlatJSON()
        _ = shape.accepts(bytes)
        #expect(shape.steps <= bytes.count)
        #expect(ControlRequest(line: bytes) == nil)
    }

    @Test("what is nested is left at once")
    func early() {
        var shape = FlatJSON()
        let isTaken = shape.accepts(Array(Self.filled("[").utf8))
        #expect(!isTaken)
        #expect(shape.steps < 20)
    }

    @Test(
        "what is too deep, too long, too many or not whole is left whatever a decoder would make of it",
        arguments: [
            #"{"a":{"b":{}}}"#, #"{"a":0"#, #"{"a":"b}"#, "{}}", "", " ",
            #"{"key":"# + String(repeating: "1", count: 65) + "}",
            "{\"" + String(repeating: "a", count: 65) + "\":0}", "[" + String(repeating: "0,", count: 64) + "0]",
        ])
    func shape(_ text: String) {
        var shape = FlatJSON()
        let isTaken = shape.accepts(Array(text.utf8))
        #expect(!isTaken)
    }

    @Test(
        "a quote or a bracket within a string is a letter",
        arguments: [#"{"key":"}\"]{{{"}"#, #"{"command":"x","arguments":{"a":"b","c":"d"}}"#, " {} ", #"{"k":"\\"}"#])
    func letters(_ text: String) {
        var shape = FlatJSON()
        let isTaken = shape.accepts(Array(text.utf8))
        #expect(isTaken)
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
