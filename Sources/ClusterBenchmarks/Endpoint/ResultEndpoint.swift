// SPDX-License-Identifier: GPL-3.0-or-later

internal import HTTPTypes
internal import HummingbirdCore
public import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import NIOHTTPTypes
internal import NIOSSL
public import ServiceLifecycle
public import Sockets
public import TLSClient

/// Where jobs post their results: HTTP/1.1 on TCP, by TLS or behind something that speaks it. What goes wrong there is logged and
/// tried again.
public struct ResultEndpoint: Service {
    public struct Settings: Sendable {
        public var address: DoorAddress
        /// nil: no TLS.
        public var certificate: CertificateInForce?
        public var connections = 32
        public var headerBytes = 8 << 10
        public var headerCount = 32
        public var deadlines = SlowClientGuard.Deadlines(
            firstRequest: .seconds(10), answer: .seconds(60), nextRequest: .seconds(10))
        /// How much later a wrong secret is answered.
        public var guessDelay: Duration = .seconds(1)
        public var retry: Duration = .seconds(10)

        public init(address: DoorAddress, certificate: CertificateInForce? = nil) {
            self.address = address
            self.certificate = certificate
        }
    }

    typealias Listener = SocketListener<HTTPRequestPart, HTTPResponsePart>

    private let settings: Settings
    private let runner: BenchmarkRunner
    private let logger: Logger
    private let onTrouble: @Sendable (String?) -> Void

    /// - Parameter onTrouble: told why nobody can post, and nil when they can.
    public init(
        _ settings: Settings, runner: BenchmarkRunner, logger: Logger,
        onTrouble: @escaping @Sendable (String?) -> Void = { _ in }
    ) {
        self.settings = settings
        self.runner = runner
        self.logger = logger
        self.onTrouble = onTrouble
    }

    /// Ends at once when the daemon does: a post that is under way is cut, and its job tries again.
    public func run() async throws {
        var listening = Listener.Settings()
        listening.connections = settings.connections
        listening.retry = settings.retry
        let places = NIOLockedValueBox<[ObjectIdentifier: Listener.Place]>([:])
        let channel = http { channel in places.withLockedValue { $0[ObjectIdentifier(channel)] }?.trust() }
        let logger = logger
        let certificate = settings.certificate
        let listener = Listener(
            settings.address, settings: listening,
            initializer: { accepted in
                accepted.eventLoop.makeCompletedFuture {
                    guard let certificate else { return }
                    try accepted.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: certificate.current))
                }.flatMap { channel.setup(channel: accepted, logger: logger) }.map { AcceptedConnection($0) }
            }, report: heard)
        await cancelWhenGracefulShutdown {
            await listener.run { connection, place in
                let key = ObjectIdentifier(connection.underlying)
                places.withLockedValue { $0[key] = place }
                defer { places.withLockedValue { $0[key] = nil } }
                await connection.serve { await channel.handle(value: $0, logger: logger) }
            }
        }
    }

    private func heard(_ event: Listener.Event) {
        switch event {
        case .listening:
            onTrouble(nil)
            logger.notice("benchmark: listening for results", metadata: ["address": "\(settings.address)"])
        case .failed(let reason):
            onTrouble(reason)
            logger.error(
                "benchmark: cannot listen for results; it is tried again",
                metadata: ["address": "\(settings.address)", "why": "\(reason)"])
        case .starved(let reason):
            onTrouble(reason)
            logger.error(
                "benchmark: nobody can post results",
                metadata: ["address": "\(settings.address)", "why": "\(reason)"])
        case .fed: onTrouble(nil)
        case .vanished, .refused, .replaced: break
        }
    }

    private func http(onTrusted: @escaping @Sendable (any Channel) -> Void) -> HTTP1Channel {
        HTTP1Channel(
            responder: { request, writer, channel in
                let answer = await answer(request)
                runner.count(answer.count)
                if answer.isGuess {
                    logger.warning(
                        "benchmark: a post with a wrong secret, or without one",
                        metadata: ["peer": "\(channel.remoteAddress?.ipAddress ?? "?")"])
                    // Only this connection waits.
                    try await Task.sleep(for: settings.guessDelay)
                }
                try await writer.write(
                    response: answer.head, body: ResponseBody(byteBuffer: ByteBuffer(string: answer.text + "\n")))
            },
            configuration: .init(
                additionalChannelHandlers: [
                    SlowClientGuard(
                        deadlines: settings.deadlines, untrusted: [400, 401, 404, 405, 413, 414], onTrusted: onTrusted)
                ],
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: settings.headerBytes, maxHeaderListSize: settings.headerBytes,
                    maxHeaderFieldCount: settings.headerCount)))
    }

    private func answer(_ request: Request) async -> ResultPost.Answer {
        guard let target = ResultPost.Target(request.head.path ?? "") else { return .notHere }
        guard request.method == .post || request.method == .put else { return .notPosted }
        do throws(BenchmarkError) {
            // Before a byte of the body is kept.
            let secret = try await runner.secret(ofRun: target.run)
            guard ResultPost.allows(request.head.headerFields[.authorization], secret: secret), let secret else {
                return .wrongSecret
            }
            if let length = request.head.headerFields[.contentLength].flatMap({ Int($0) }),
                length > ResultPost.bodyLimit
            {
                return .tooLarge
            }
            var body: [UInt8] = []
            do {
                for try await part in request.body {
                    guard body.count + part.readableBytes <= ResultPost.bodyLimit else { return .tooLarge }
                    body.append(contentsOf: part.readableBytesView)
                }
            } catch {
                return ResultPost.Answer(status: 400, text: "the body was cut", count: .malformed)
            }
            return try await runner.receive(String(decoding: body, as: UTF8.self), target, secret: secret)
        } catch {
            return ResultPost.Answer(status: 503, text: "not now", count: .failed)
        }
    }
}

extension ResultPost.Answer {
    fileprivate var head: HTTPResponse {
        var fields = HTTPFields()
        fields[.contentType] = "text/plain; charset=utf-8"
        fields[.contentLength] = "\(text.utf8.count + 1)"
        // Nothing more of such a request is read.
        if status != 200 { fields[.connection] = "close" }
        return HTTPResponse(status: .init(code: status), headerFields: fields)
    }
}
