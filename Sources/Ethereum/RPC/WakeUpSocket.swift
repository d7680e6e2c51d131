// SPDX-License-Identifier: GPL-3.0-or-later

public import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import TLSClient
internal import NIOWebSocket
public import ServiceLifecycle
internal import Support

/// A WebSocket to a node that tells when there may be a new block. What it says is never taken for true, and hardly read:
/// whoever is woken asks by HTTP, so a socket that is lost, late or lies costs time and nothing else.
public struct WakeUpSocket: Service {
    public struct Settings: Sendable {
        /// Between two pings; without the answer to one until the next the connection is given up. Default 20 s.
        public var pingInterval: Duration = .seconds(20)
        public var connectTimeout: Duration = .seconds(10)
        /// Between two tries to connect: doubled up to the second.
        public var pause: Duration = .seconds(1)
        public var longestPause: Duration = .seconds(60)
        /// Bytes of one message. Default 1 MiB.
        public var messageLimit = 1 << 20
        /// Between two wake-ups at least, however many messages come.
        public var spacing: Duration = .milliseconds(50)

        public init() {}
    }

    private let endpoint: RPCEndpoint
    private let certificateAuthority: String?
    private let settings: Settings
    private let logger: Logger
    private let onState: @Sendable (Bool) -> Void
    private let onWake: @Sendable () -> Void

    /// - Parameters:
    ///   - onState: told whether the node is subscribed to.
    ///   - onWake: called for each new block: must return at once.
    public init(
        endpoint: RPCEndpoint, certificateAuthority: String? = nil, settings: Settings = Settings(), logger: Logger,
        onState: @escaping @Sendable (Bool) -> Void = { _ in }, onWake: @escaping @Sendable () -> Void
    ) {
        self.endpoint = endpoint
        self.certificateAuthority = certificateAuthority
        self.settings = settings
        self.logger = logger
        self.onState = onState
        self.onWake = onWake
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            var failures = 0
            while !Task.isCancelled {
                let start = ContinuousClock.now
                do {
                    try await follow()
                } catch {
                    // Whoever stops the agent has cut it off: the node has done nothing.
                    logger.log(
                        level: failures == 0 && !Task.isCancelled ? .info : .debug,
                        "no wake-ups from the node: it is asked by the clock",
                        metadata: ["node": "\(endpoint)", "why": "\(HTTPTransport.words(error))"])
                }
                onState(false)
                // What was missed meanwhile.
                onWake()
                failures = ContinuousClock.now - start > .seconds(60) ? 0 : failures + 1
                let retry = RetryPolicy(first: settings.pause, ceiling: settings.longestPause, jitter: 0.2)
                var random = SystemRandomNumberGenerator()
                try? await Task.sleep(for: retry.delay(attempt: failures - 1, using: &random))
            }
        }
    }

    private typealias Frames = NIOAsyncChannel<WebSocketFrame, WebSocketFrame>

    struct Lost: Error, CustomStringConvertible {
        var description: String
    }

    /// Until the connection breaks.
    private func follow() async throws {
        let channel = try await connect()
        try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(Self.text(RPCCall("eth_subscribe", [.string("newHeads")]), id: 1))
            let pong = Pong()
            let messages = WakeUp()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await ping(outbound, pong) }
                group.addTask { try await read(inbound, outbound, pong, messages) }
                group.addTask { try await wake(messages) }
                defer { group.cancelAll() }
                try await group.next()
            }
        }
    }

    /// Whether the last ping was answered.
    private actor Pong {
        private var answered = true

        func came() { answered = true }

        /// - Returns: whether the one before was answered.
        func expect() -> Bool {
            defer { answered = false }
            return answered
        }
    }

    private func ping(_ outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>, _ pong: Pong) async throws {
        while true {
            try await Task.sleep(for: settings.pingInterval)
            guard await pong.expect() else { throw Lost(description: "no answer to a ping") }
            try await outbound.write(WebSocketFrame(fin: true, opcode: .ping, maskKey: .random(), data: ByteBuffer()))
        }
    }

    private func read(
        _ inbound: NIOAsyncChannelInboundStream<WebSocketFrame>,
        _ outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>, _ pong: Pong, _ messages: WakeUp
    ) async throws {
        var isSubscribed = false
        for try await frame in inbound {
            switch frame.opcode {
            case .text, .binary:
                if let error = RPCCodec.refusal(Array(buffer: frame.unmaskedData), count: 1) {
                    throw Lost(description: "the node does not subscribe: \(error)")
                }
                if !isSubscribed {
                    isSubscribed = true
                    onState(true)
                }
                messages.raise()
            case .ping:
                try await outbound.write(
                    WebSocketFrame(fin: true, opcode: .pong, maskKey: .random(), data: frame.unmaskedData))
            case .pong:
                await pong.came()
            case .connectionClose:
                throw Lost(description: "the node closed the connection")
            default:
                continue
            }
        }
        throw Lost(description: "the connection broke")
    }

    /// However fast messages come.
    private func wake(_ messages: WakeUp) async throws {
        while true {
            await messages.wait(atMost: .seconds(3600))
            try Task.checkCancellation()
            onWake()
            try await Task.sleep(for: settings.spacing)
        }
    }

    private static func text(_ call: RPCCall, id: Int64) -> WebSocketFrame {
        WebSocketFrame(
            fin: true, opcode: .text, maskKey: .random(), data: ByteBuffer(bytes: RPCCodec.encode([call], firstID: id)))
    }

    // MARK: connecting

    private func connect() async throws -> Frames {
        let secure = endpoint.isEncrypted ? try TLSClient(authority: certificateAuthority) : nil
        let opened = NIOLockedValueBox<(any Channel)?>(nil)
        let upgrade: EventLoopFuture<Frames?> = try await ClientBootstrap(group: ChainEventLoops.group)
            .connectTimeout(.init(settings.connectTimeout))
            .connect(host: endpoint.host, port: endpoint.port) { channel in
                opened.withLockedValue { $0 = channel }
                return channel.eventLoop.makeCompletedFuture {
                    if let secure {
                        try channel.pipeline.syncOperations.addHandler(try secure.handler(host: endpoint.host))
                    }
                    return try upgrading(channel)
                }
            }
        // A node that hangs takes the connection and answers nothing; a future does not heed a cancelled task.
        let channel = opened.withLockedValue { $0 }
        let deadline = channel?.eventLoop.scheduleTask(in: .init(settings.connectTimeout)) {
            channel?.close(promise: nil)
        }
        defer { deadline?.cancel() }
        let frames = try await withTaskCancellationHandler {
            try await upgrade.get()
        } onCancel: {
            channel?.close(promise: nil)
        }
        guard let frames else { throw Lost(description: "the node serves no WebSocket there") }
        return frames
    }

    private func upgrading(_ channel: any Channel) throws -> EventLoopFuture<Frames?> {
        let limit = settings.messageLimit
        let upgrader = NIOTypedWebSocketClientUpgrader<Frames?>(maxFrameSize: limit) { channel, _ in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(
                    NIOWebSocketFrameAggregator(
                        minNonFinalFragmentSize: 0, maxAccumulatedFrameCount: 1024, maxAccumulatedFrameSize: limit))
                return try NIOAsyncChannel(wrappingChannelSynchronously: channel)
            }
        }
        var head = HTTPRequestHead(version: .http1_1, method: .GET, uri: endpoint.target)
        let port = endpoint.port == (endpoint.isEncrypted ? 443 : 80) ? "" : ":\(endpoint.port)"
        head.headers.add(
            name: "Host", value: (endpoint.host.contains(":") ? "[\(endpoint.host)]" : endpoint.host) + port)
        head.headers.add(name: "Content-Length", value: "0")
        if let authorization = endpoint.authorization {
            head.headers.add(name: "Authorization", value: authorization)
        }
        let configuration = NIOTypedHTTPClientUpgradeConfiguration<Frames?>(
            upgradeRequestHead: head, upgraders: [upgrader],
            notUpgradingCompletionHandler: { channel in
                channel.close(promise: nil)
                return channel.eventLoop.makeSucceededFuture(nil)
            })
        return try channel.pipeline.syncOperations.configureUpgradableHTTPClientPipeline(
            configuration: .init(upgradeConfiguration: configuration))
    }
}
