// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import GRDB
import Logging
import Persistence
import Synchronization
import Testing
import Waiting

@testable import Ethereum

/// A node with one account: it takes transactions, and mines them when it is told to.
private final class OneNode: RPCTransport {
    private struct State {
        var mined: [(hash: String, nonce: Int)] = []
        var waiting: [(hash: String, nonce: Int)] = []
        var head = 100
        /// Of what is mined from now on.
        var status = "0x1"
        var statuses: [String: String] = [:]
        /// Asked for, and never answered.
        var estimates = 0
    }

    private let state = Mutex(State())

    func mine() {
        state.withLock { state in
            state.head += 1
            state.mined += state.waiting
            for entry in state.waiting { state.statuses[entry.hash] = state.status }
            state.waiting = []
        }
    }

    /// What was mined is gone, and no mempool has it; another block stands there. What is mined from now on has no effect.
    func loseAll() {
        state.withLock { state in
            state.head += 1
            state.mined = []
            state.status = "0x0"
        }
    }

    var waiting: Int { state.withLock { $0.waiting.count } }
    var estimates: Int { state.withLock { $0.estimates } }

    func post(
        _ body: [UInt8], to endpoint: RPCEndpoint, timeout: Duration, answerLimit: Int
    ) async throws(RPCError) -> [UInt8] {
        do {
            if String(decoding: body, as: UTF8.self).contains("eth_estimateGas") {
                state.withLock { $0.estimates += 1 }
                while true { try await Task.sleep(for: .seconds(3600)) }
            }
            let request = try JSONSerialization.jsonObject(with: Data(body))
            let answer: Any =
                if let calls = request as? [[String: Any]] { calls.map(answer) } else {
                    answer(request as? [String: Any] ?? [:])
                }
            return Array(try JSONSerialization.data(withJSONObject: answer))
        } catch {
            throw RPCError(.malformed, "\(error)")
        }
    }

    private func answer(_ call: [String: Any]) -> [String: Any] {
        let parameters = call["params"] as? [Any] ?? []
        return [
            "jsonrpc": "2.0", "id": call["id"] ?? NSNull(),
            "result": result(call["method"] as? String ?? "", parameters),
        ]
    }

    private static func hash(_ number: Int) -> String {
        "0x" + String(repeating: "0", count: 56) + String(100_000_000 + number).prefix(8)
    }

    private func result(_ method: String, _ parameters: [Any]) -> Any {
        state.withLock { state in
            switch method {
            case "eth_chainId": return "0x539"
            case "eth_getBlockByNumber":
                return [
                    "number": "0x" + String(state.head, radix: 16), "hash": Self.hash(state.head),
                    "parentHash": Self.hash(state.head - 1), "timestamp": "0x1", "gasLimit": "0x1c9c380",
                    "baseFeePerGas": "0x1", "transactions": [],
                ]
            case "eth_getTransactionCount": return "0x" + String(state.mined.count, radix: 16)
            case "eth_getBalance": return "0xde0b6b3a7640000"
            case "eth_gasPrice", "eth_maxPriorityFeePerGas": return "0x1"
            case "eth_sendRawTransaction":
                guard let raw = (parameters.first as? String).flatMap({ Hex.decode($0) }),
                    let transaction = try? SignedTransaction(decoding: raw)
                else { return NSNull() }
                let entry = (hash: "\(transaction.hash)", nonce: Int(transaction.unsigned.nonce))
                if !(state.waiting + state.mined).contains(where: { $0.hash == entry.hash }) {
                    state.waiting.append(entry)
                }
                return entry.hash
            case "eth_getTransactionReceipt":
                guard let hash = parameters.first as? String, state.mined.contains(where: { $0.hash == hash }) else {
                    return NSNull()
                }
                return [
                    "transactionHash": hash, "blockNumber": "0x" + String(state.head, radix: 16),
                    "blockHash": Self.hash(state.head), "status": state.statuses[hash] ?? "0x1", "gasUsed": "0x5208",
                    "logs": [],
                ]
            default: return NSNull()
            }
        }
    }
}

@Suite("Transaction manager")
struct TransactionManagerTests {
    private static let quiet: Logger = {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return logger
    }()

    /// Keeps the file's writer busy until it is let go.
    private final class Blocked: Sendable {
        private let gate = DispatchSemaphore(value: 0)

        init(_ store: ChainStore) async {
            let gate = gate
            await withCheckedContinuation { started in
                Thread {
                    try? store.queue.write { _ in
                        started.resume()
                        gate.wait()
                    }
                }.start()
            }
        }

        func release() { gate.signal() }
    }

    @Test("an outcome is told only once it is on the disk, whatever is decided while another one is committed")
    func outcomeAfterCommit() async throws {
        let folder = NSTemporaryDirectory() + "manager-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let store = try ChainStore(path: folder + "/chain.sqlite")
        let node = OneNode()
        let client = RPCClient(
            endpoints: [try RPCEndpoint(http: "http://node")], chainID: 1337, transport: node, logger: Self.quiet)
        let told = Mutex<[Bool]>([])
        let manager = TransactionManager(
            client: client, chainID: 1337, signer: LocalSigner(Stage.key), store: store,
            classes: Stage.classes, logger: Self.quiet,
            onReceipt: { receipt in
                let onDisk = try? await store.list().contains {
                    $0.state == "succeeded" && $0.hashes.contains("\(receipt.transaction)")
                }
                told.withLock { $0.append(onDisk == true) }
            })
        try await manager.start()
        await manager.poll()
        func intent(_ key: String) -> TransactionIntent {
            TransactionIntent(key: key, className: "status", recipient: Stage.contract, gasLimit: 50_000)
        }
        try await manager.submit(intent("a"))
        try await waitUntil { node.waiting >= 1 }
        node.mine()

        let blocked = await Blocked(store)
        let second = Task { try await manager.acknowledge() }
        // Its commit waits for the file; meanwhile a poll learns that the first is over.
        try await waitUntil { await manager.isCommitting }
        await manager.poll()
        blocked.release()
        try await second.value
        await manager.drive()
        #expect(try await manager.outcome("a") != nil)
        #expect(told.withLock { $0 } == [true])
        store.close()
    }

    @Test("a block with a transaction that was over is lost: its reader learns of that, and of the other outcome")
    func lostBlock() async throws {
        let folder = NSTemporaryDirectory() + "manager-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let store = try ChainStore(path: folder + "/chain.sqlite")
        let node = OneNode()
        let client = RPCClient(
            endpoints: [try RPCEndpoint(http: "http://node")], chainID: 1337, transport: node, logger: Self.quiet)
        let manager = TransactionManager(
            client: client, chainID: 1337, signer: LocalSigner(Stage.key), store: store, classes: Stage.classes,
            logger: Self.quiet)
        try await manager.start()
        await manager.poll()
        try await manager.submit(
            TransactionIntent(key: "a", className: "status", recipient: Stage.contract, gasLimit: 50_000))
        try await waitUntil { node.waiting >= 1 }
        node.mine()
        await manager.poll()
        await manager.drive()
        #expect(try await manager.outcome("a")?.hasEffect == true)
        var lost = await manager.reopened().makeAsyncIterator()
        node.loseAll()
        try await waitUntil {
            await manager.poll()
            await manager.drive()
            return node.waiting >= 1
        }
        #expect(await lost.next() == "a")
        #expect(await manager.openKeys(prefix: "a") == ["a"])
        node.mine()
        await manager.poll()
        await manager.drive()
        #expect(try await manager.outcome("a")?.hasEffect == false)
        store.close()
    }

    @Test("the first Running of a fresh agent goes out while eth_estimateGas hangs", .timeLimit(.minutes(1)))
    func firstGas() async throws {
        let folder = NSTemporaryDirectory() + "manager-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let store = try ChainStore(path: folder + "/chain.sqlite")
        let node = OneNode()
        let client = RPCClient(
            endpoints: [try RPCEndpoint(http: "http://node")], chainID: 1337, transport: node, logger: Self.quiet)
        let manager = TransactionManager(
            client: client, chainID: 1337, signer: LocalSigner(Stage.key), store: store,
            classes: [
                TransactionClass("status", priority: 0, isEssential: true, firstGas: 1_000_000),
                TransactionClass("claim", priority: 1, isEssential: false),
            ], logger: Self.quiet)
        try await manager.start()
        await manager.poll()
        // Another class waits for its estimate, and holds nobody up.
        try await manager.submit(TransactionIntent(key: "c", className: "claim", recipient: Stage.contract, data: [1]))
        try await waitUntil { node.estimates >= 1 }
        try await manager.submit(
            TransactionIntent(key: "a", className: "status", recipient: Stage.contract, data: [2]))
        try await waitUntil { node.waiting >= 1 }
        #expect(node.estimates == 1)
        store.close()
    }

    @Test("what waits for a nonce can be withdrawn; an intent is known by all of it, not by its key")
    func withdrawn() async throws {
        let folder = NSTemporaryDirectory() + "manager-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let store = try ChainStore(path: folder + "/chain.sqlite")
        let client = RPCClient(
            endpoints: [try RPCEndpoint(http: "http://node")], chainID: 1337, transport: OneNode(), logger: Self.quiet)
        let manager = TransactionManager(
            client: client, chainID: 1337, signer: LocalSigner(Stage.key), store: store, classes: Stage.classes,
            logger: Self.quiet)
        let intent = TransactionIntent(key: "a", className: "status", recipient: Stage.contract, gasLimit: 50_000)
        var other = intent
        other.data = [1]
        #expect(try await !manager.knows(intent))
        try await manager.submit(intent)
        for _ in 0..<2 {
            #expect(try await manager.knows(intent))
            #expect(try await !manager.knows(other))
            // Then it is over, and still known.
            _ = try await manager.withdraw("a")
        }
        #expect(try await manager.outcome("a") == .cancelled)
        #expect(try await !manager.withdraw("a"))
        store.close()
    }

    @Test("a file that is closed because the agent ends is no fault of the disk: no alarm")
    func ending() async throws {
        let folder = NSTemporaryDirectory() + "manager-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let store = try ChainStore(path: folder + "/chain.sqlite")
        let node = OneNode()
        let client = RPCClient(
            endpoints: [try RPCEndpoint(http: "http://node")], chainID: 1337, transport: node, logger: Self.quiet)
        let manager = TransactionManager(
            client: client, chainID: 1337, signer: LocalSigner(Stage.key), store: store, classes: Stage.classes,
            logger: Self.quiet)
        try await manager.start()
        await manager.poll()
        try await manager.submit(
            TransactionIntent(key: "a", className: "status", recipient: Stage.contract, gasLimit: 50_000))
        try await waitUntil { node.waiting >= 1 }
        node.mine()
        store.close()
        // It learns of the receipt, and cannot write that down any more.
        await manager.poll()
        await manager.drive()
        #expect(await manager.status.alarms == [:])
        #expect(ChainStore.translate(CancellationError(), path: "/state/chain.sqlite").code == .closed)
    }
}
