// SPDX-License-Identifier: GPL-3.0-or-later

import BigInt
import Ethereum
import Foundation
import GRDB
import Logging
import ServiceLifecycle
import UnixSignals

/// What the soak kills: sends numbered intents and follows the logs of a contract, both to their end.
///
///     ChainDriver STATE-FOLDER KEY-FILE CONTRACT INTENTS CONFIRMATIONS WEBSOCKET NODE…
///
/// Prints `submitted` once every intent is on the disk, and `done` once each is over; then it goes on following logs. While
/// STATE-FOLDER/allowed holds a number, no more intents than that are submitted. SIGTERM ends it with status 0.
@main
enum ChainDriver {
    static func main() async throws {
        let words = CommandLine.arguments
        guard words.count >= 8, let contract = Address(hex: words[3]), let intents = Int(words[4]),
            let depth = UInt64(words[5])
        else {
            say("usage: ChainDriver STATE KEY CONTRACT INTENTS CONFIRMATIONS WEBSOCKET NODE…")
            exit(64)
        }
        LoggingSystem.bootstrap { _ in
            var handler = StreamLogHandler.standardError(label: "driver")
            handler.logLevel = ProcessInfo.processInfo.environment["DRIVER_LOG"] == "debug" ? .debug : .info
            return handler
        }
        let logger = Logger(label: "driver")
        let authority = ProcessInfo.processInfo.environment["DRIVER_CA"]
        let transport = try HTTPTransport(certificateAuthority: authority)
        var rpc = RPCClient.Settings()
        rpc.timeout = .seconds(3)
        rpc.pause = .milliseconds(100)
        rpc.longestPause = .seconds(1)
        rpc.longestRange = 32
        let client = RPCClient(
            endpoints: try words[7...].map { try RPCEndpoint(http: $0) }, chainID: 1337, transport: transport,
            settings: rpc,
            logger: logger)
        let store = try ChainStore(path: words[1] + "/chain.sqlite")

        let seen = try SeenLogs(path: words[1] + "/seen.sqlite")
        var feedSettings = LogFeed.Settings()
        feedSettings.confirmations = depth
        feedSettings.firstBlock = 0
        feedSettings.interval = .milliseconds(300)
        let recorded = try ABIEvent("Recorded(uint256 indexed number, address indexed sender, string text)")
        let feed = LogFeed(
            name: "1337", filter: LogFilter(contracts: [contract], events: [recorded.topic]), client: client,
            store: store,
            settings: feedSettings, logger: logger)

        var settings = TransactionSettings()
        settings.confirmations = depth
        settings.replaceAfter = .seconds(4)
        settings.resendAfter = .seconds(1)
        settings.doubtAfter = .seconds(2)
        var pace = TransactionManager.Pace()
        pace.busy = .milliseconds(200)
        let manager = TransactionManager(
            client: client, chainID: 1337, signer: LocalSigner(try KeySource.file(words[2]).load()), store: store,
            settings: settings, classes: [TransactionClass("status", priority: 0, isEssential: true)], pace: pace,
            logger: logger, onReceipt: { await feed.offer($0) })
        let socket = WakeUpSocket(
            endpoint: try RPCEndpoint(webSocket: words[6]), certificateAuthority: authority, logger: logger,
            onState: { feed.socketChanged(isUp: $0) }
        ) {
            feed.headAnnounced()
            manager.headChanged()
        }

        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await terminated() }
                group.addTask { try await manager.run() }
                group.addTask { try await feed.run() }
                group.addTask { try await socket.run() }
                group.addTask { try await RPCClient.HeadComparison(client: client, interval: .seconds(2)).run() }
                group.addTask { try await take(feed, into: seen, recorded) }
                group.addTask { try await send(intents, to: contract, manager, allowed: words[1] + "/allowed") }
                // waitForAll would wait for the others too when one has failed.
                while try await group.next() != nil {}
            }
        } catch is Terminated {
            // Everybody who used them has ended.
            store.close()
            try seen.close()
        }
    }

    private struct Terminated: Error {}

    private static func terminated() async throws {
        for await _ in await UnixSignalsSequence(trapping: .sigterm) { throw Terminated() }
    }

    private static func send(
        _ count: Int, to contract: Address, _ manager: TransactionManager, allowed: String
    ) async throws {
        let record = try ABIFunction("record(uint256,string)")
        for number in 0..<count {
            while let most = limit(allowed), number >= most { try await Task.sleep(for: .milliseconds(50)) }
            let text = String(repeating: "x", count: number % 90)
            let intent = TransactionIntent(
                key: "\(number)", className: "status", recipient: contract,
                data: try record.call([.uint64(UInt64(number)), .string(text)]))
            try await manager.submit(intent)
        }
        say("submitted")
        for number in 0..<count {
            guard case .succeeded = try await manager.outcome("\(number)") else {
                say("intent \(number) did not succeed")
                exit(1)
            }
        }
        say("done \(await manager.status.alarms)")
    }

    private static func limit(_ path: String) -> Int? {
        (try? String(contentsOfFile: path, encoding: .utf8)).flatMap { Int($0) }
    }

    /// At once, whatever kills the process next.
    private static func say(_ line: String) {
        FileHandle.standardOutput.write(Data((line + "\n").utf8))
    }

    private static func take(_ feed: LogFeed, into seen: SeenLogs, _ event: ABIEvent) async throws {
        while true {
            let logs = try await feed.next(limit: 500)
            if logs.isEmpty {
                try await Task.sleep(for: .milliseconds(50))
                continue
            }
            try await seen.add(logs, event)
            try await feed.handled(logs)
        }
    }
}

/// What a consumer of the feed would keep: each log once, by its sequence.
struct SeenLogs: Sendable {
    private let queue: DatabaseQueue

    init(path: String) throws {
        queue = try DatabaseQueue(path: path)
        try queue.write {
            try $0.execute(
                sql: "CREATE TABLE IF NOT EXISTS seen (sequence INTEGER PRIMARY KEY, number TEXT, sender TEXT, tx TEXT)"
            )
        }
    }

    func close() throws { try queue.close() }

    func add(_ logs: [DeliveredLog], _ event: ABIEvent) async throws {
        try await queue.write { database in
            for delivered in logs {
                guard let values = try event.decode(topics: delivered.log.topics, data: delivered.log.data),
                    let number = values[0].uint, let sender = values[1].address
                else { continue }
                try database.execute(
                    sql: "INSERT OR IGNORE INTO seen VALUES (?, ?, ?, ?)",
                    arguments: [delivered.sequence, "\(number)", sender.hex, "\(delivered.log.transaction)"])
            }
        }
    }
}
