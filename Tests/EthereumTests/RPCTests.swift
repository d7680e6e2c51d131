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
            "", "node:8545", "ftp://node", "http://", "http://user:password@", "http://node:0", "http://node:99999",
            "http://no de", "ws://node", "http://us%4er%4:p@node", "http://a:b@node:99999",
        ] {
            #expect(throws: RPCEndpoint.Malformed.self) { try RPCEndpoint(http: bad) }
        }
    }

    @Test(
        "user and password of an address go into a header, and nowhere else",
        arguments: [
            ("https://user:secret@node.example/rpc", "user:secret", "https://node.example:443/rpc"),
            ("http://user:p%40ss%2Fw%3Ard@node:8545", "user:p@ss/w:rd", "http://node:8545/"),
            ("http://user@[::1]:8545?k=v", "user:", "http://[::1]:8545/?k=v"),
            ("http://a@b:c@node", "a@b:c", "http://node:80/"),
            ("http://:secret@node/a@b", ":secret", "http://node:80/a@b"),
        ])
    func userInfo(_ url: String, _ pair: String, _ plain: String) throws {
        let endpoint = try RPCEndpoint(http: url)
        #expect(endpoint.authorization == "Basic " + Data(pair.utf8).base64EncodedString())
        #expect(endpoint.url == plain)
        #expect(!"\(endpoint)".contains("secret") && !"\(endpoint)".contains("@"))
        #expect(endpoint != (try RPCEndpoint(http: plain)), "another password is another address")
    }

    @Test("a malformed address repeats neither a password nor what follows the host")
    func malformedEndpoints() {
        for url in [
            "htps://me:hunter2@node/k", "http://me:hunter2@node:0/k", "http://me:hun%ter2@node", "http://no de/hunter2",
            "node/hunter2?hunter2",
        ] {
            let error = #expect(throws: RPCEndpoint.Malformed.self) { try RPCEndpoint(http: url) }
            #expect(error?.description.contains("hunter2") == false && error?.description.contains("http://") == true)
        }
    }

    @Test("a number beyond 2^53 is none that a node may tell")
    func bounds() throws {
        #expect(Quantity.decode53("0x20000000000000") == 1 << 53)
        #expect(Quantity.decode53("0x20000000000001") == nil && Quantity.decode53("0xffffffffffffffff") == nil)
        let hash = JSONValue.string("0x" + String(repeating: "ab", count: 32))
        var block: [String: JSONValue] = [
            "number": .string("0x5"), "hash": hash, "parentHash": hash, "timestamp": .string("0x5"),
            "gasLimit": .string("0xffffffffffffffff"), "logsBloom": .integer(1), "transactions": .null,
        ]
        let header = try BlockHeader(.object(block))
        #expect(header.gasLimit == nil && header.bloom == nil && header.baseFee == nil)
        block["gasLimit"] = .string("0x0")
        #expect(try BlockHeader(.object(block)).gasLimit == nil, "a limit of nothing would let nothing be sent")
        for key in ["number", "timestamp"] {
            var broken = block
            broken[key] = .string("0xffffffffffffffff")
            #expect(throws: RPCError.self) { try BlockHeader(.object(broken)) }
        }
    }

    @Test("a subscription's refusal is found in short messages, and nothing else is looked for")
    func socketMessages() {
        func refusal(_ text: String) -> RPCError? { RPCCodec.refusal(Array(text.utf8), count: 1) }
        #expect(refusal(#"{"id":1,"error":{"code":-32601,"message":"no"}}"#)?.refusal == .methodMissing)
        #expect(refusal(#"{"id":null,"error":{"code":-32700,"message":"no"}}"#) != nil)
        #expect(refusal(#"{"id":7,"error":{"code":-32700,"message":"no"}}"#) == nil)
        #expect(refusal(#"{"id":1,"result":"0x1"}"#) == nil)
        #expect(refusal(#"{"method":"eth_subscription","params":{"result":{}}}"#) == nil)
        #expect(refusal(#"{"id":1,"error":{"message":""# + String(repeating: "x", count: 4096) + #""}}"#) == nil)
    }

    // MARK: batches

    private static func batched(
        _ node: ScriptedNodes.Node, clock: NIOLockedValueBox<ContinuousClock.Instant> = .init(.now)
    ) throws -> (RPCClient, ScriptedNodes) {
        let nodes = ScriptedNodes(head: 100, ["a": node])
        let client = RPCClient(
            endpoints: [try RPCEndpoint(http: "http://a")], chainID: 7, transport: nodes,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, now: { clock.withLockedValue { $0 } })
        return (client, nodes)
    }

    private static let headers = (1...8).map { RPCClient.header($0) }

    @Test(
        "batches that a node does not take are asked in smaller ones, in the end one by one, and that is remembered",
        arguments: [
            (1, -32202, "Batch requests are disabled", .one), (3, -32600, "batch length does not exceed 3", .one),
            (3, -32005, "Batch request amount 5 exceeds max 3", .one), (1, 0, "nein", .one),
            (2, -32600, "batch too large", .first),
            (5, -32602, "Number of requests in batch exceeds --rpc-max-batch-size.", .first), (1, 0, "", .status(400)),
            (3, 0, "", .status(413)), (1, 0, "", .status(405)), (1, 0, "", .status(500)), (1, 0, "", .status(501)),
        ] as [(Int, Int64, String, ScriptedNodes.Node.BatchAnswer)])
    func limited(_ limit: Int, _ code: Int64, _ words: String, _ answer: ScriptedNodes.Node.BatchAnswer) async throws {
        var node = ScriptedNodes.Node()
        node.batch = limit
        node.batchError = ScriptedNodes.error(code, words)
        node.batchAnswer = answer
        let clock = NIOLockedValueBox(ContinuousClock.Instant.now)
        let (client, nodes) = try Self.batched(node, clock: clock)
        for round in 0..<3 {
            let before = nodes.requests
            let answers = try await client.batch(Self.headers)
            #expect(try (0..<8).map { try BlockHeader(answers.value($0)).number } == (1...8).map { UInt64($0) })
            guard round > 0 else { continue }
            let parts = nodes.world.withLockedValue { $0.asked[before...].map(\.methods.count) }
            #expect(parts.allSatisfy { $0 <= limit } && parts.reduce(0, +) == 8, "\(parts)")
        }
        #expect(client.traffic.requests == UInt64(nodes.requests) && client.traffic.calls == UInt64(nodes.calls))
        clock.withLockedValue { $0 += .seconds(700) }
        nodes.change { $0.nodes["a"]?.batch = .max }
        let before = nodes.requests
        _ = try await client.batch(Self.headers)
        #expect(nodes.requests == before + 1, "after a time it is asked for more again")
    }

    @Test("a node that refuses single calls too is left, not remembered as one of small batches")
    func refusesAll() async throws {
        var node = ScriptedNodes.Node()
        node.batch = 0
        node.batchAnswer = .status(500)
        let (client, nodes) = try Self.batched(node)
        nodes.change { $0.nodes["a"]?.isAway = true }
        await #expect(throws: RPCError.self) { try await client.batch(Self.headers) }
        #expect(client.state.withLockedValue { $0.table.batchLimit(0, at: .now) } == .max)
    }

    @Test("a node that asks for a pause is not asked meanwhile, even if it is the only one")
    func pauses() async throws {
        struct Limited: RPCTransport {
            let asked = NIOLockedValueBox(0)
            func post(_ body: [UInt8], to endpoint: RPCEndpoint, timeout: Duration, answerLimit: Int)
                async throws(RPCError) -> [UInt8]
            {
                asked.withLockedValue { $0 += 1 }
                throw RPCError(.http(429), "HTTP 429", retryAfter: .seconds(30))
            }
        }
        let clock = NIOLockedValueBox(ContinuousClock.Instant.now)
        let transport = Limited()
        let client = RPCClient(
            endpoints: [try RPCEndpoint(http: "http://a")], chainID: 7, transport: transport,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, now: { clock.withLockedValue { $0 } })
        for _ in 0..<5 {
            let error = await #expect(throws: RPCError.self) { try await client.call("x") }
            #expect(error?.isRateLimit == true)
        }
        #expect(transport.asked.withLockedValue { $0 } == 1)
        clock.withLockedValue { $0 += .seconds(31) }
        await #expect(throws: RPCError.self) { try await client.call("x") }
        #expect(transport.asked.withLockedValue { $0 } == 2)
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
                let question = try? JSONValue(parsing: body)
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

    @Test("a question that is cut off as the agent ends is no news of the node")
    func cutOff() async throws {
        struct Hung: RPCTransport {
            let began: AsyncStream<Void>.Continuation

            func post(_ body: [UInt8], to endpoint: RPCEndpoint, timeout: Duration, answerLimit: Int)
                async throws(RPCError) -> [UInt8]
            {
                began.yield()
                try? await Task.sleep(for: .seconds(3600))
                throw RPCError(.unreachable, "CancellationError()")
            }
        }
        let began = AsyncStream<Void>.makeStream()
        let log = LineLog()
        let client = RPCClient(
            endpoints: [try RPCEndpoint(http: "http://a")], chainID: 7, transport: Hung(began: began.continuation),
            logger: Logger(label: "test") { _ in log })
        let question = Task { try await client.call("x") }
        for await _ in began.stream { break }
        question.cancel()
        _ = await question.result
        #expect(log.lines.withLockedValue { $0 } == ["debug: a node gives no answer"])
    }

    @Test("a batch that is too large is asked in parts")
    func batches() async throws {
        let clock = NIOLockedValueBox(ContinuousClock.Instant.now)
        struct Narrow: RPCTransport {
            func post(_ body: [UInt8], to endpoint: RPCEndpoint, timeout: Duration, answerLimit: Int)
                async throws(RPCError) -> [UInt8]
            {
                let question = (try? JSONValue(parsing: body)) ?? .null
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
