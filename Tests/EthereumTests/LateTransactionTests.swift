// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import GRDB
import Logging
import NIOConcurrencyHelpers
import Testing
import Waiting

@testable import Ethereum

/// Transactions of one key on a chain that is late, or with a file that is; a process that dies is started again on what was
/// on its disk.
private final class LateSender: @unchecked Sendable {
    enum Story: String, CaseIterable {
        case one, three, poolLost, fullBlocks, cancelled

        var keys: [String] { self == .one || self == .cancelled ? ["a"] : ["a", "b", "c"] }
    }

    let story: Story
    let chain: LateChain
    private var folder: String
    private let next: String
    private let root: String
    private let clock = NIOLockedValueBox(Date(timeIntervalSince1970: 1_700_000_000))
    private(set) var store: ChainStore
    private var line: LateLine
    private var manager: TransactionManager
    private var disk: LateDisk?

    init(_ story: Story, _ rule: LateChain.Rule?, disk fault: (LateDisk.Fault, commit: Int)? = nil) async throws {
        self.story = story
        chain = LateChain(rule)
        root = NSTemporaryDirectory() + "late-" + UUID().uuidString
        folder = root + "/1"
        next = root + "/2"
        for path in [folder, next] {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }
        (store, line, manager) = try Self.start(folder, chain, clock)
        chain.isFull = story == .fullBlocks || story == .cancelled
        guard let fault else { return }
        let (from, to, line, clock) = (folder, next, line, clock)
        let disk = LateDisk(fault.0, commit: fault.commit, passTime: { clock.withLockedValue { $0 += 20 } }) {
            line.die()
            LateDisk.copy("chain.sqlite", from: from, to: to)
        }
        self.disk = disk
        try await store.queue.writeWithoutTransaction {
            $0.add(transactionObserver: disk, extent: .databaseLifetime)
        }
    }

    deinit {
        store.close()
        try? FileManager.default.removeItem(atPath: root)
    }

    private static func start(
        _ folder: String, _ chain: LateChain, _ clock: NIOLockedValueBox<Date>
    ) throws -> (ChainStore, LateLine, TransactionManager) {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let store = try ChainStore(path: folder + "/chain.sqlite")
        let line = LateLine(chain)
        // Its pauses are of the wall clock, which stands still here.
        let start = ContinuousClock.now
        let client = RPCClient(
            endpoints: [try RPCEndpoint(http: "http://node")], chainID: 1337, transport: line, logger: logger,
            now: { start + .seconds(clock.withLockedValue { $0.timeIntervalSince1970 } - 1_700_000_000) })
        let manager = TransactionManager(
            client: client, chainID: 1337, signer: LocalSigner(Stage.key), store: store, classes: Stage.classes,
            logger: logger, now: { clock.withLockedValue { $0 } })
        return (store, line, manager)
    }

    var isMet: Bool { disk?.isDone ?? true }

    private func restartIfDead() throws {
        guard disk?.isDead == true else { return }
        store.close()
        disk = nil
        folder = next
        (store, line, manager) = try Self.start(folder, chain, clock)
    }

    private func intent(_ key: String) -> TransactionIntent {
        TransactionIntent(
            key: key, className: "status", recipient: Stage.contract, data: Array(key.utf8), gasLimit: 50_000)
    }

    /// As the gateway does: again, until it is on the disk; and again after a start.
    private func submit(_ key: String) async throws {
        for _ in 0..<3 {
            do { return try await manager.submit(intent(key)) } catch { try restartIfDead() }
        }
        Issue.record("never taken")
    }

    private func quiet() async throws {
        for _ in 0..<50 { await Task.yield() }
        try await waitUntil { !chain.isAsked }
    }

    func play() async throws {
        var isCancelled = false
        for round in 0..<300 {
            for key in story.keys { try await submit(key) }
            await manager.poll()
            await manager.drive()
            try await quiet()
            try restartIfDead()
            if round == 2, story == .poolLost { chain.losePool() }
            if story == .cancelled, round >= 2, !isCancelled {
                do { isCancelled = try await manager.cancel("a") } catch { try restartIfDead() }
            }
            if round == 60 { chain.isFull = false }
            chain.mine()
            clock.withLockedValue { $0 += 5 }
            if try await isOver() { return }
            await Task.yield()
        }
    }

    private func isOver() async throws -> Bool {
        for key in story.keys {
            guard try await store.intent(key)?.1 != nil else { return false }
        }
        return true
    }

    func check(_ row: String) async throws {
        let mined = chain.mined
        #expect(mined.map(\.unsigned.nonce) == Array(0..<UInt64(mined.count)), "\(row)")
        for key in story.keys {
            let count = mined.count { $0.unsigned.data == Array(key.utf8) }
            let outcome = try await store.intent(key)?.1?.word
            if story == .cancelled {
                #expect((outcome, count) == ("cancelled", 0) || (outcome, count) == ("succeeded", 1), "\(row)")
            } else {
                #expect((outcome, count) == ("succeeded", 1), "\(row): \(outcome ?? "-"), \(count) times")
            }
        }
        // Nothing beside them.
        #expect(mined.count == story.keys.count || story == .cancelled && mined.isEmpty, "\(row)")
        #expect(await manager.status.inFlight == 0, "\(row)")
    }
}

@Suite("Each transaction once, whoever is late")
struct LateTransactionTests {
    private static let methods = [
        "eth_sendRawTransaction", "eth_getTransactionReceipt", "eth_getTransactionCount", "eth_getBlockByNumber",
        "eth_chainId",
    ]

    @Test("the node", arguments: methods, LateChain.Lateness.allCases)
    func node(_ method: String, _ lateness: LateChain.Lateness) async throws {
        for story in LateSender.Story.allCases {
            let sender = try await LateSender(story, LateChain.Rule(method: method, lateness: lateness))
            try await sender.play()
            try await sender.check("\(story.rawValue), \(method) \(lateness.rawValue)")
        }
    }

    @Test("the file's disk, at each commit", arguments: LateDisk.Fault.all)
    func disk(_ fault: LateDisk.Fault) async throws {
        for story in LateSender.Story.allCases {
            for commit in 0..<40 {
                let sender = try await LateSender(story, nil, disk: (fault, commit))
                try await sender.play()
                try await sender.check("\(story.rawValue), \(fault), commit \(commit)")
                if !sender.isMet { break }
            }
        }
    }
}
