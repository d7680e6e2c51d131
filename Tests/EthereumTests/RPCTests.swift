// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Logging
import NIOConcurrencyHelpers
import Testing

@testable import Ethereum

@Suite("JSON-RPC")
struct RPCTests {
    private static func decode(_ text: String, count: Int = 1) throws(RPCError) -> [Result<JSONValue, RPCError>] {
        try RPCCodec.decode(Array(text.utf8), count: count, firstID: 5)
    }

    @Test("a call, a batch, answers in any order")
    func codec() throws {
        #expect(
            String(decoding: RPCCodec.encode([RPCCall("eth_chainId")], firstID: 5), as: UTF8.self)
                == #"{"id":5,"jsonrpc":"2.0","method":"eth_chainId","params":[]}"#)
        #expect(RPCCodec.encode([RPCCall("a"), RPCCall("b")], firstID: 5).first == UInt8(ascii: "["))
        #expect(try Self.decode(#"{"jsonrpc":"2.0","id":5,"result":"0x1"}"#)[0].get() == .string("0x1"))
        let answers = try Self.decode(
            #"[{"id":6,"result":null},{"id":5,"error":{"code":-32000,"message":"nonce too low"}}]"#, count: 2)
        #expect(answers[0].failure?.refusal == .nonceTooLow)
        #expect(try answers[1].get() == .null)
        let part = try Self.decode(#"[{"id":6,"result":"0x1"}]"#, count: 2)
        #expect(part[0].failure?.kind == .malformed)
    }

    @Test(
        "answers of no use are errors",
        arguments: [
            "", "<html>502</html>", "{", "null", "[]", "1", #""text""#, #"{"id":5}"#, #"{"id":4,"result":"0x1"}"#,
            #"{"id":6,"result":1}"#,
            #"{"id":"5","result":"0x1"}"#, #"{"result":"0x1"}"#, #"[{"id":5,"result":"0x1"}]"#,
            #"{"id":5,"result":"0x1""#,
            #"{"id":null,"error":{"code":-32700,"message":"parse error"}}"#, String(repeating: "[", count: 100_000),
        ])
    func useless(_ text: String) {
        #expect(throws: RPCError.self) { try Self.decode(text) }
    }

    @Test("a batch answered twice, or with somebody else's answers")
    func wrongBatches() {
        for text in [
            #"[{"id":5,"result":1},{"id":5,"result":2}]"#, #"[{"id":5,"result":1},{"id":9,"result":2}]"#, #"[1,2]"#,
            #"{"id":5,"result":1}"#,
        ] {
            #expect(throws: RPCError.self) { try Self.decode(text, count: 2) }
        }
    }

    @Test(
        "what nodes mean by their words",
        arguments: [
            ("nonce too low: next nonce 12, tx nonce 10", RPCError.Refusal.nonceTooLow),
            ("already known", .alreadyKnown),
            ("ALREADY_EXISTS: already known", .alreadyKnown),
            ("replacement transaction underpriced", .replacementUnderpriced),
            ("transaction underpriced", .underpriced),
            ("transaction underpriced: tip needed 1, tip permitted 0", .underpriced),
            ("max fee per gas less than block base fee: address 0x, maxFeePerGas: 1, baseFee: 2", .underpriced),
            ("FeeTooLow, MaxFeePerGas too low", .underpriced),
            ("insufficient funds for gas * price + value", .insufficientFunds),
            ("Upfront cost exceeds account balance", .insufficientFunds), ("exceeds block gas limit", .gasLimitTooHigh),
            ("intrinsic gas too low: have 21000, want 21064", .gasLimitTooLow), ("txpool is full", .poolFull),
            ("tx fee (2.00 ether) exceeds the configured cap (1.00 ether)", .feeAboveNodeCap),
            ("transaction type not supported", .typeNotSupported), ("invalid sender", .wrongChain),
            ("invalid chain id for signer: have 1 want 2", .wrongChain), ("nonce too high", .nonceTooHigh),
            ("Invalid transaction nonce: Expected 5, but got 3", .nonceTooLow),
            ("Invalid transaction nonce: Expected 5, but got 9", .nonceTooHigh),
            ("requested too many blocks from 1 to 9000, maximum is set to 2048", .rangeTooLarge),
            ("query returned more than 10000 results", .rangeTooLarge), ("header not found", .unknownBlock),
            ("unknown block", .unknownBlock),
            ("cannot query unfinalized data", .unknownBlock), ("execution reverted", .reverted),
            ("batch too large", .batchTooLarge),
            ("too many requests, slow down", .rateLimited),
            ("the method eth_foo does not exist/is not available", .methodMissing),
            ("INTERNAL_ERROR: existing tx with same hash", .alreadyKnown),
            ("tx already exists in cache", .alreadyKnown),
            ("there is another tx which has the same nonce in the tx pool", .replacementUnderpriced),
            ("transaction would cause overdraft", .insufficientFunds),
            ("not enough funds for gas", .insufficientFunds),
            ("fee too low", .underpriced),
            ("gasPrice is less than the current BaseFee", .underpriced),
            ("sequencer pending tx pool full, please try again", .poolFull),
            ("something else", .other),
        ])
    func dialects(_ words: String, _ refusal: RPCError.Refusal) {
        let error = RPCError(node: .object(["code": .integer(-32000), "message": .string(words)]))
        #expect(error.refusal == refusal)
    }

    @Test("revert data, codes, endless and unprintable words")
    func refusals() {
        let reverted = RPCError(
            node: .object([
                "code": .integer(3), "message": .string("execution reverted"), "data": .string("0x08c379a0"),
            ]))
        #expect(reverted.revertData == [0x08, 0xc3, 0x79, 0xa0])
        #expect(
            RPCError(node: .object(["code": .integer(-32601), "message": .string("no")])).refusal == .methodMissing)
        #expect(RPCError(node: .object(["code": .integer(-32005), "message": .string("no")])).refusal == .rateLimited)
        let long = RPCError(node: .string("a\u{1B}[31m\n" + String(repeating: "x", count: 100_000)))
        #expect(long.message.count < 400 && !long.message.contains("\n") && !long.message.contains("\u{1B}"))
    }

    @Test("headers, logs and receipts that are not what they must be")
    func types() throws {
        let hash = JSONValue.string("0x" + String(repeating: "ab", count: 32))
        let address = JSONValue.string("0x" + String(repeating: "CD", count: 20))
        let log: [String: JSONValue] = [
            "address": address, "topics": .array([hash]), "data": .string("0x01"), "blockNumber": .string("0x5"),
            "blockHash": hash,
            "transactionHash": hash, "logIndex": .string("0x0"),
        ]
        #expect(try ChainLog.read(.object(log))?.data == [1])
        var removed = log
        removed["removed"] = .bool(true)
        #expect(try ChainLog.read(.object(removed)) == nil)
        for key in log.keys {
            for bad in [nil, JSONValue.null, .integer(5), .string("5"), .string("0x"), .object([:])] as [JSONValue?] {
                var broken = log
                broken[key] = bad
                if key == "data", bad == .string("0x") { continue }
                #expect(throws: RPCError.self, "\(key): \(String(describing: bad))") {
                    try ChainLog.read(.object(broken))
                }
            }
        }
        let receipt: [String: JSONValue] = [
            "transactionHash": hash, "blockNumber": .string("0x5"), "blockHash": hash, "status": .string("0x1"),
            "gasUsed": .string("0x5208"),
            "logs": .array([.object(log)]), "effectiveGasPrice": .string("0x7"), "contractAddress": .null,
        ]
        let read = try TransactionReceipt.read(.object(receipt))
        #expect(read?.succeeded == true && read?.logs.count == 1)
        #expect(try TransactionReceipt.read(read?.json ?? .null) == read)
        #expect(try TransactionReceipt.read(.null) == nil)
        for (key, bad) in [
            ("status", JSONValue.string("0x2")), ("gasUsed", .null), ("logs", .null),
            ("transactionHash", .string("0x1")),
        ] {
            var broken = receipt
            broken[key] = bad
            #expect(throws: RPCError.self) { try TransactionReceipt.read(.object(broken)) }
        }
        #expect(throws: RPCError.self) { try BlockHeader(.object(["number": .string("0x1")])) }
    }

    @Test("addresses of nodes; keys in them are told to nobody")
    func endpoints() throws {
        let endpoint = try RPCEndpoint(http: "https://node.example/v3/SECRET?key=SECRET")
        #expect(endpoint.description == "https://node.example:443" && endpoint.target == "/v3/SECRET?key=SECRET")
        #expect(try RPCEndpoint(webSocket: "ws://[::1]:8546").host == "::1")
        for bad in [
            "", "node:8545", "ftp://node", "http://", "http://user:password@node", "http://node:0", "http://node:99999",
            "http://no de", "ws://node",
        ] {
            #expect(throws: RPCEndpoint.Malformed.self) { try RPCEndpoint(http: bad) }
        }
    }

    /// Nodes as functions from a call to an answer.
    final class Nodes: RPCTransport {
        let asked = NIOLockedValueBox<[String]>([])
        let answers: NIOLockedValueBox<[String: @Sendable (String) throws(RPCError) -> JSONValue]>

        init(_ answers: [String: @Sendable (String) throws(RPCError) -> JSONValue]) {
            self.answers = NIOLockedValueBox(answers)
        }

        func post(
            _ body: [UInt8], to endpoint: RPCEndpoint, timeout: Duration, answerLimit: Int
        ) async throws(RPCError) -> [UInt8] {
            asked.withLockedValue { $0.append(endpoint.host) }
            guard let answer = answers.withLockedValue({ $0[endpoint.host] }),
                let question = try? JSONDecoder().decode(JSONValue.self, from: Data(body))
            else { throw RPCError(.unreachable, "nobody there") }
            var parts: [JSONValue] = []
            for call in question.array ?? [question] {
                let result = try answer(call["method"]?.text ?? "")
                parts.append(.object(["id": call["id"] ?? .null, "result": result]))
            }
            return (try? Array(JSONEncoder().encode(question.array == nil ? parts[0] : .array(parts)))) ?? []
        }
    }

    private static func client(_ nodes: Nodes, _ hosts: String..., clock: NIOLockedValueBox<ContinuousClock.Instant>)
        throws -> RPCClient
    {
        RPCClient(
            endpoints: try hosts.map { try RPCEndpoint(http: "http://\($0)") }, chainID: 7, transport: nodes,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            now: { clock.withLockedValue { $0 } })
    }

    private static let good: @Sendable (String) throws(RPCError) -> JSONValue = {
        .string($0 == "eth_chainId" ? "0x7" : "good")
    }

    @Test("the next node when the first is away; back after its rest")
    func failOver() async throws {
        let clock = NIOLockedValueBox(ContinuousClock.Instant.now)
        let nodes = Nodes(["b": Self.good])
        let client = try Self.client(nodes, "a", "b", clock: clock)
        #expect(try await client.call("x") == .string("good"))
        #expect(client.order() == [1, 0])
        nodes.answers.withLockedValue { $0 = ["a": Self.good] }
        #expect(try await client.call("x") == .string("good"))
        #expect(nodes.asked.withLockedValue { $0.last } == "a")
        clock.withLockedValue { $0 += .seconds(100) }
        #expect(client.order() == [0, 1])
        nodes.answers.withLockedValue { $0 = [:] }
        await #expect(throws: RPCError.self) { try await client.call("x") }
    }

    @Test("a node of another chain is never used")
    func otherChain() async throws {
        let clock = NIOLockedValueBox(ContinuousClock.Instant.now)
        let nodes = Nodes(["a": { _ in .string("0x8") }, "b": Self.good])
        let client = try Self.client(nodes, "a", "b", clock: clock)
        for _ in 0..<3 {
            #expect(try await client.call("x") == .string("good"))
            clock.withLockedValue { $0 += .seconds(70) }
        }
        let alone = try Self.client(nodes, "a", clock: clock)
        let error = await #expect(throws: RPCError.self) { try await alone.call("x") }
        #expect(error?.kind == .wrongChain)
    }

    @Test("a batch that is too large is asked in parts")
    func batches() async throws {
        let clock = NIOLockedValueBox(ContinuousClock.Instant.now)
        struct Narrow: RPCTransport {
            func post(_ body: [UInt8], to endpoint: RPCEndpoint, timeout: Duration, answerLimit: Int)
                async throws(RPCError) -> [UInt8]
            {
                let question = (try? JSONDecoder().decode(JSONValue.self, from: Data(body))) ?? .null
                guard let calls = question.array else {
                    return Array(#"{"id":\#(question["id"]?.integer ?? 0),"result":"0x7"}"#.utf8)
                }
                if calls.count > 2 {
                    return Array(#"{"id":null,"error":{"code":-32600,"message":"batch too large"}}"#.utf8)
                }
                return
                    (try? Array(
                        JSONEncoder().encode(
                            calls.map { JSONValue.object(["id": $0["id"] ?? .null, "result": $0["method"] ?? .null]) })))
                    ?? []
            }
        }
        let client = RPCClient(
            endpoints: [try RPCEndpoint(http: "http://a")], chainID: 7, transport: Narrow(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            now: { clock.withLockedValue { $0 } })
        let answers = try await client.batch((0..<8).map { RPCCall("m\($0)") })
        #expect(try (0..<8).map { try answers.value($0) } == (0..<8).map { .string("m\($0)") })
    }
}
