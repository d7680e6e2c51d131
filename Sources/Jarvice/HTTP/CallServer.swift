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

/// The place where upstream calls: HTTP/1.1 on TCP or a Unix socket. What goes wrong there is logged and tried again.
public struct CallServer: Service {
    public struct Settings: Sendable {
        public var address: DoorAddress
        public var access: ServerAccess
        /// nil: no TLS.
        public var certificate: CertificateInForce?
        /// Of each peer.
        public var callsPerSecond = 5000
        public var connections = 256
        public var headerBytes = 16 << 10
        public var headerCount = 64
        /// Of all bodies at once.
        public var bodyBytes = 64 << 20
        /// A submission may wait for slurmctld.
        public var deadlines = SlowClientGuard.Deadlines(
            firstRequest: .seconds(10), answer: .seconds(60), nextRequest: .seconds(120))
        /// How much later a wrong password is answered.
        public var guessDelay: Duration = .seconds(1)
        public var retry: Duration = .seconds(10)
        /// Writes down what is called and answered; nil: nobody does.
        public var recorder: DialogueRecorder?

        public init(address: DoorAddress, access: ServerAccess, certificate: CertificateInForce? = nil) {
            self.address = address
            self.access = access
            self.certificate = certificate
        }
    }

    typealias Listener = SocketListener<HTTPRequestPart, HTTPResponsePart>
    typealias Wire = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

    private let settings: Settings
    private let dispatcher: Dispatcher
    private let limiter: RateLimiter
    private let budget: BodyBudget
    private let logger: Logger
    private let onTrouble: @Sendable (String?) -> Void

    /// - Parameter onTrouble: told why nobody can call, and nil when they can.
    public init(
        _ settings: Settings, gateway: JarviceGateway, logger: Logger,
        onTrouble: @escaping @Sendable (String?) -> Void = { _ in }
    ) {
        self.init(settings, handler: gateway, logger: logger, onTrouble: onTrouble)
    }

    public init(
        _ settings: Settings, dummy: DummyConnector, logger: Logger,
        onTrouble: @escaping @Sendable (String?) -> Void = { _ in }
    ) {
        self.init(settings, handler: dummy, logger: logger, onTrouble: onTrouble)
    }

    init(
        _ settings: Settings, handler: any CallHandler, logger: Logger,
        onTrouble: @escaping @Sendable (String?) -> Void = { _ in }
    ) {
        self.settings = settings
        dispatcher = Dispatcher(handler: handler, access: settings.access, recorder: settings.recorder)
        let start = ContinuousClock.now
        limiter = RateLimiter(perSecond: settings.callsPerSecond) { start.duration(to: .now) }
        budget = BodyBudget(settings.bodyBytes)
        self.logger = logger
        self.onTrouble = onTrouble
    }

    /// Ends at once when the daemon does: a request that is under way is cut.
    public func run() async throws {
        var listening = Listener.Settings()
        listening.connections = settings.connections
        listening.retry = settings.retry
        listening.allowsHalfClosure = settings.certificate == nil
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
            logger.notice("JARVICE: listening for calls", metadata: ["address": "\(settings.address)"])
        case .failed(let reason):
            onTrouble(reason)
            logger.error(
                "JARVICE: cannot listen for calls; it is tried again",
                metadata: ["address": "\(settings.address)", "why": "\(reason)"])
        case .starved(let reason):
            onTrouble(reason)
            logger.error("JARVICE: nobody can call", metadata: ["address": "\(settings.address)", "why": "\(reason)"])
        case .fed: onTrouble(nil)
        case .vanished, .refused, .replaced: break
        }
    }

    private func http(onTrusted: @escaping @Sendable (any Channel) -> Void) -> HTTP1Channel {
        let deadlines = settings.deadlines
        return HTTP1Channel(
            responder: { request, writer, channel in try await respond(request, writer, channel) },
            configuration: .init(
                additionalChannelHandlers: [
                    SlowClientGuard(
                        deadlines: deadlines, untrusted: [400, 401, 413, 414, 429], onTrusted: onTrusted)
                ],
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: settings.headerBytes, maxHeaderListSize: settings.headerBytes,
                    maxHeaderFieldCount: settings.headerCount)))
    }

    private func respond(
        _ request: Request, _ writer: consuming ResponseWriter, _ channel: any Channel
    ) async throws {
        let peer = channel.remoteAddress?.ipAddress ?? "socket"
        var answer: Answer
        if !limiter.takes(peer) {
            answer = .tooMany
        } else {
            var call = CallRequest(method: request.head.method.rawValue, target: request.head.path ?? "/")
            call.host = request.head.authority ?? "localhost"
            call.scheme = settings.certificate == nil ? "http" : "https"
            call.authorization = request.head.headerFields[.authorization]
            call.contentType = request.head.headerFields[.contentType]
            call.contentLength = request.head.headerFields[.contentLength].flatMap { Int($0) }
            answer = try await self.answer(call, request.body)
        }
        if let reason = answer.reason {
            logger.warning(
                "JARVICE: a call failed",
                metadata: ["call": "\(Self.shown(request.head.path))", "peer": "\(peer)", "why": "\(reason)"])
        }
        if answer.asksForCredentials {
            logger.warning("JARVICE: a call with a wrong password, or without one", metadata: ["peer": "\(peer)"])
            // Only this connection waits.
            try await Task.sleep(for: settings.guessDelay)
        }
        let isHead = request.method == .head
        try await writer.write(
            response: answer.head,
            body: isHead ? ResponseBody() : ResponseBody(byteBuffer: ByteBuffer(string: answer.body)))
    }

    /// Without the query, and bounded.
    private static func shown(_ path: String?) -> String { String((path ?? "/").prefix { $0 != "?" }.prefix(80)) }

    private func answer(_ call: CallRequest, _ body: RequestBody) async throws -> Answer {
        let reserved = NIOLockedValueBox(0)
        defer { budget.give(reserved.withLockedValue { $0 }) }
        do {
            return try await dispatcher.answer(call) {
                var bytes: [UInt8] = []
                for try await part in body {
                    guard bytes.count + part.readableBytes <= Dispatcher.bodyLimit else { return nil }
                    guard budget.take(part.readableBytes) else { throw Busy() }
                    reserved.withLockedValue { $0 += part.readableBytes }
                    bytes.append(contentsOf: part.readableBytesView)
                }
                return bytes
            }
        } catch is Busy {
            return .busy
        }
    }

    private struct Busy: Error {}
}

extension Answer {
    fileprivate var head: HTTPResponse {
        var fields = HTTPFields()
        fields[.contentType] = type
        fields[.contentLength] = "\(body.utf8.count)"
        if let allow { fields[.allow] = allow }
        if let location { fields[.location] = location }
        if asksForCredentials { fields[.wwwAuthenticate] = "Basic realm=\"jarvice\"" }
        // Nothing more of such a request is read.
        if [401, 413, 414, 429, 503].contains(status) { fields[.connection] = "close" }
        return HTTPResponse(status: .init(code: status), headerFields: fields)
    }
}
