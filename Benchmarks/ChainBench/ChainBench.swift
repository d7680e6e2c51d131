// SPDX-License-Identifier: GPL-3.0-or-later

import BigInt
import Ethereum
import Foundation
import Logging

/// The parts that Benchmarks/chain/chain.py puts together. Prints one JSON object.
///
///     ChainBench primitives
///     ChainBench serial|pipelined|latency NODE KEY CONTRACT COUNT
@main
enum ChainBench {
    static func main() async throws {
        let words = CommandLine.arguments.dropFirst()
        switch words.first {
        case "primitives":
            try await primitives()
        case "serial", "pipelined", "latency":
            guard words.count == 5, let contract = Address(hex: words[4]), let count = Int(words[5]) else {
                fallthrough
            }
            let bench = try await Bench(node: words[2], keyFile: words[3], contract: contract)
            switch words[1] {
            case "serial": try await bench.serial(count)
            case "pipelined": try await bench.pipelined(count)
            default: try await bench.latency(count)
            }
        default:
            FileHandle.standardError.write(Data("usage: ChainBench primitives | MODE NODE KEY CONTRACT COUNT\n".utf8))
            exit(64)
        }
    }

    private static func primitives() async throws {
        let megabytes = 64
        let data = [UInt8](repeating: 7, count: megabytes << 20)
        var start = ContinuousClock.now
        let hash = Keccak256.hash(data)
        let hashing = (ContinuousClock.now - start) / .seconds(1)

        let signer = LocalSigner(try PrivateKey.generate())
        var transaction = UnsignedTransaction(
            chainID: 1, nonce: 0, recipient: signer.address, data: Array(hash.bytes), gasLimit: 100_000,
            fee: .dynamic(tip: 1, cap: 2))
        let count = 5000
        start = .now
        for nonce in 0..<count {
            transaction.nonce = UInt64(nonce)
            _ = try await signer.sign(transaction)
        }
        let signing = (ContinuousClock.now - start) / .microseconds(1) / Double(count)
        print(#"{"keccak_mib_s": \#(Double(megabytes) / hashing), "sign_us": \#(signing)}"#)
    }
}

struct Bench {
    let client: RPCClient
    let signer: LocalSigner
    let contract: Address
    let record: ABIFunction
    let logger = Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }

    init(node: String, keyFile: String, contract: Address) async throws {
        client = RPCClient(
            endpoints: [try RPCEndpoint(http: node)], transport: try HTTPTransport(),
            logger: Logger(label: "rpc") { _ in SwiftLogNoOpLogHandler() })
        signer = LocalSigner(try KeySource.file(keyFile).load())
        self.contract = contract
        record = try ABIFunction("record(uint256,string)")
    }

    private func data(_ number: Int) throws -> [UInt8] {
        try record.call([.uint64(UInt64(number)), .string("")])
    }

    /// Sends one and waits until it is mined, then the next: what a client without pipelining does.
    func serial(_ count: Int) async throws {
        let start = ContinuousClock.now
        for number in 0..<count {
            let answers = try await client.batch([
                RPCCall("eth_getTransactionCount", [.string(signer.address.hex), .string("pending")]),
                RPCCall("eth_gasPrice"),
            ])
            let nonce = try answers.value(0).text.flatMap(Quantity.decode64) ?? 0
            let price = try answers.value(1).text.flatMap(Quantity.decode) ?? 0
            let signed = try await signer.sign(
                UnsignedTransaction(
                    chainID: try await client.chainID(), nonce: nonce, recipient: contract, data: try data(number),
                    gasLimit: 120_000, fee: .legacy(price: price * 2)))
            _ = try await client.call("eth_sendRawTransaction", [.string(Hex.data(signed.raw))])
            while try TransactionReceipt.read(
                try await client.call("eth_getTransactionReceipt", [.string("\(signed.hash)")])) == nil
            {
                try await Task.sleep(for: .milliseconds(50))
            }
        }
        report(count, start)
    }

    /// Through the transaction manager with 64 in flight.
    func pipelined(_ count: Int) async throws {
        try await withManager(inFlight: 64) { manager in
            let start = ContinuousClock.now
            for number in 0..<count { try await manager.submit(try intent(number)) }
            for number in 0..<count {
                guard case .succeeded = try await manager.outcome("\(number)") else { fatalError("\(number) failed") }
            }
            report(count, start)
        }
    }

    /// Intents at 50 a second; when each was handed over, by the monotonic clock.
    func latency(_ count: Int) async throws {
        try await withManager(inFlight: 1000) { manager in
            // The first ones open the connections.
            for number in 0..<20 { try await manager.submit(try intent(number)) }
            var times: [String] = []
            for number in 20..<count + 20 {
                try await Task.sleep(for: .milliseconds(20))
                let next = try intent(number)
                var now = timespec()
                clock_gettime(CLOCK_MONOTONIC, &now)
                try await manager.submit(next)
                times.append("\(Double(now.tv_sec) + Double(now.tv_nsec) / 1e9)")
            }
            print("{\"handed_over\": [\(times.joined(separator: ", "))]}")
        }
    }

    private func intent(_ number: Int) throws -> TransactionIntent {
        TransactionIntent(
            key: "\(number)", className: "status", recipient: contract, data: try data(number), gasLimit: 120_000)
    }

    private func report(_ count: Int, _ start: ContinuousClock.Instant) {
        print("{\"per_second\": \(Double(count) / ((ContinuousClock.now - start) / .seconds(1)))}")
    }

    private func withManager(inFlight: Int, _ body: (TransactionManager) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("chain-bench-\(UUID())").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var settings = TransactionSettings()
        settings.inFlightLimit = inFlight
        var pace = TransactionManager.Pace()
        pace.busy = .milliseconds(100)
        let manager = TransactionManager(
            client: client, chainID: try await client.chainID(), signer: signer,
            store: try ChainStore(path: folder + "/chain.sqlite"),
            settings: settings, classes: [TransactionClass("status", priority: 0, isEssential: true)], pace: pace,
            logger: logger)
        let running = Task { try await manager.run() }
        // Fees and nonce are in memory once a node has answered.
        while await manager.status.head == nil { try await Task.sleep(for: .milliseconds(10)) }
        try await body(manager)
        running.cancel()
    }
}
