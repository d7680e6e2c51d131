// SPDX-License-Identifier: GPL-3.0-or-later

import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing

@testable import Ethereum

@Suite("The socket that wakes the agent")
struct WakeUpSocketTests {
    /// Its kernel takes connections, it answers nothing.
    private func hungNode() async throws -> any Channel {
        try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: "127.0.0.1", port: 0).get()
    }

    private func socket(
        _ node: any Channel, timeout: Duration,
        logger: Logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
        onWake: @escaping @Sendable () -> Void
    ) throws -> WakeUpSocket {
        var settings = WakeUpSocket.Settings()
        settings.connectTimeout = timeout
        settings.pause = .milliseconds(10)
        return WakeUpSocket(
            endpoint: try RPCEndpoint(webSocket: "ws://127.0.0.1:\(node.localAddress?.port ?? 0)"),
            certificateAuthority: nil, settings: settings, logger: logger, onWake: onWake)
    }

    @Test("a node that hangs keeps nobody from ending, and that it was cut off is no news", .timeLimit(.minutes(1)))
    func ends() async throws {
        let node = try await hungNode()
        let log = LineLog()
        let socket = try self.socket(node, timeout: .seconds(3600), logger: Logger(label: "test") { _ in log }) {}
        let task = Task { try await socket.run() }
        try await Task.sleep(for: .milliseconds(200))
        task.cancel()
        try await task.value
        try await node.close()
        #expect(log.lines.withLockedValue { $0.filter { !$0.hasPrefix("debug: ") } } == [])
    }

    @Test("a node that hangs is left after the time-out, and tried again", .timeLimit(.minutes(1)))
    func timesOut() async throws {
        let node = try await hungNode()
        let wakes = AsyncStream<Void>.makeStream()
        let socket = try self.socket(node, timeout: .milliseconds(50)) { wakes.continuation.yield() }
        let task = Task { try await socket.run() }
        var count = 0
        for await _ in wakes.stream {
            count += 1
            if count == 3 { break }
        }
        task.cancel()
        try await task.value
        try await node.close()
        #expect(count == 3)
    }
}
