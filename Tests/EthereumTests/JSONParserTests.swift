// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Ethereum

@Suite("Reading JSON")
struct JSONParserTests {
    private func read(_ text: String) throws(JSONParser.Failure) -> JSONValue { try JSONValue(parsing: text.utf8) }

    @Test(
        "values",
        arguments: [
            ("null", JSONValue.null), (" true\n", .bool(true)), ("false", .bool(false)), ("0", .integer(0)),
            ("-12", .integer(-12)), ("9223372036854775807", .integer(.max)), ("9223372036854775808", .number(0x1p63)),
            ("1.5e2", .number(150)), ("-0.5", .number(-0.5)),
            (#""a\"\\\/\b\f\n\r\té""#, .string("a\"\\/\u{8}\u{C}\n\r\té")),
            (#""😀 \ud83d\ude00 \ud83d""#, .string("😀 😀 \u{FFFD}")), (#""\ud83dA""#, .string("\u{FFFD}A")),
            ("[]", .array([])), ("{}", .object([:])),
            (#" [1 , "a",[ ]] "#, .array([.integer(1), .string("a"), .array([])])),
            (#"{"a":{"b":null},"c":[{}]}"#, .object(["a": .object(["b": .null]), "c": .array([.object([:])])])),
            (#"{"a":1,"a":2}"#, .object(["a": .integer(2)])),
        ])
    func values(_ text: String, _ value: JSONValue) throws {
        #expect(try read(text) == value)
    }

    @Test(
        "what is none",
        arguments: [
            "", " ", "nul", "truee", "01", "1.", ".5", "-", "1e", "1e999", "+1", "0x1", "\"", "\"\\", "\"\\x\"",
            "\"\\u12\"",
            "\"\u{1}\"", "[", "[1", "[1,", "[1,]", "[,]", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,}", "{a:1}",
            "{1:1}",
            "1 2", "[] []", "]", "nan",
        ])
    func noValues(_ text: String) {
        #expect(throws: JSONParser.Failure.self) { try read(text) }
    }

    @Test("bytes that are no UTF-8")
    func bytes() {
        #expect(throws: JSONParser.Failure.self) { try JSONValue(parsing: [0x22, 0xFF, 0x22]) }
        #expect(throws: JSONParser.Failure.self) { try JSONValue(parsing: [0x22, 0x5C, 0x6E, 0xC3, 0x22]) }
    }

    @Test("limits: of nesting, of values, of names")
    func limits() throws {
        var limits = JSONParser.Limits()
        limits.depth = 3
        limits.values = 7
        limits.name = 4
        func failure(_ text: String) -> JSONParser.Failure.Reason? {
            do throws(JSONParser.Failure) {
                _ = try JSONValue(parsing: text.utf8, limits: limits)
                return nil
            } catch {
                return error.reason
            }
        }
        #expect(failure("[[[1]]]") == nil)
        #expect(failure("[[[[1]]]]") == .tooDeep)
        #expect(failure(#"{"a":{"b":{"c":{}}}}"#) == .tooDeep)
        #expect(failure("[1,2,3,4,5,6]") == nil)
        #expect(failure("[1,2,3,4,5,6,7]") == .tooMany)
        #expect(failure(#"{"abcd":1}"#) == nil)
        #expect(failure(#"{"abcde":1}"#) == .tooMany)
        #expect(failure(#"{"\u0061bcde":1}"#) == .tooMany)
    }

    /// Told by its name: a megabyte takes longer to print than to read.
    struct Input: CustomTestStringConvertible, Sendable {
        let name: String
        let text: String
        var testDescription: String { name }
    }

    /// Each of about a megabyte, and each the worst of its kind.
    static let worst = texts.map { Input(name: $0.name, text: $0.text) }
    private static let texts: [(name: String, text: String)] = {
        let size = 1 << 20
        func filled(_ part: String) -> String { String(repeating: part, count: size / part.utf8.count) }
        let nested = String(repeating: "[", count: 63) + "0" + String(repeating: "]", count: 63)
        let level = String(repeating: "{\"result\":", count: 500) + "0" + String(repeating: "}", count: 500)
        return [
            ("arrays within arrays", filled("[")), ("objects within objects", filled("{\"a\":")),
            (
                "closed arrays within arrays",
                String(repeating: "[", count: size / 2) + String(repeating: "]", count: size / 2)
            ),
            ("500 levels, again and again", "[" + filled(level + ",") + "0]"),
            ("as deep as is taken, again and again", "[" + filled(nested + ",") + "0]"),
            ("empty arrays", "[" + filled("[],") + "0]"), ("zeros", "[" + filled("0,") + "0]"),
            ("one long string", "\"" + filled("a") + "\""), ("an open string", "\"" + filled("a")),
            ("escapes", "\"" + filled("\\u0041") + "\""), ("halves of pairs", "\"" + filled("\\ud83d") + "\""),
            ("combining marks", "\"" + filled("\u{301}") + "\""), ("one long number", filled("1")),
            ("long numbers", "[" + filled(String(repeating: "1", count: 390) + ",") + "0]"),
            ("one name", "{\"" + filled("a") + "\":0}"),
            (
                "names of combining marks",
                "{" + filled("\"" + String(repeating: "\u{301}", count: 500) + "\":0,") + "\"a\":0}"
            ),
            ("one name again and again", "{" + filled("\"a\":0,") + "\"a\":0}"), ("spaces", filled(" ") + "0"),
            ("words", "[" + filled("true,") + "true]"),
            ("an error's words", "{\"error\":{\"message\":\"" + filled("rev ert") + "\"}}"),
        ]
    }()

    @Test("the worst megabyte is read in one pass", arguments: worst)
    func onePass(_ input: Input) {
        let bytes = Array(input.text.utf8)
        var parser = JSONParser()
        _ = try? parser.parse(bytes)
        #expect(parser.steps > 0 && parser.steps <= JSONParser.worstSteps(bytes: bytes.count))
    }

    @Test("what is too deep is left at that depth, not at its end")
    func stopsEarly() {
        var parser = JSONParser()
        let bytes = Array(String(repeating: "{\"result\":", count: 100_000).utf8)
        #expect(throws: JSONParser.Failure.self) { try parser.parse(bytes) }
        #expect(parser.steps < 2000)
    }

    @Test("an answer of it is an error, whatever was asked", arguments: worst)
    func answers(_ input: Input) {
        for text in [input.text, #"{"jsonrpc":"2.0","id":2,"result":"# + input.text + "}"] {
            #expect(throws: RPCError.self) { try RPCCodec.decode(Array(text.utf8), count: 1, firstID: 1) }
            #expect(RPCCodec.refusal(Array(text.utf8), count: 1) == nil)
        }
    }

    @Test("of a node's words only so many are looked through for what they mean")
    func longWords() {
        let error = RPCError(
            node: .object([
                "code": .integer(-32000), "message": .string(String(repeating: "x", count: 1 << 20) + "nonce too low"),
                "data": .string(String(repeating: "y", count: 1 << 20)),
            ]))
        #expect(error.refusal == .other && error.message.utf8.count < 1000)
        let short = RPCError(
            node: .object([
                "message": .string("x"), "data": .string("Nonce too low" + String(repeating: " ", count: 1 << 20)),
            ]))
        #expect(short.refusal == .nonceTooLow)
    }
}
