// SPDX-License-Identifier: GPL-3.0-or-later

internal import NIOCore
internal import NIOPosix
internal import TLSClient

/// Carries messages about jobs to where a backend takes them.
protocol EventPublisher: Sendable {
    /// Returns when the server has the message. Whether a backend does is not known then.
    /// - Throws: `unavailable`: whether it has is not known; `refused`: it never takes this one.
    func publish(_ message: [UInt8]) async throws(CockpitError)
    /// Returns when the server answers.
    func check() async throws(CockpitError)
    func shutdown() async
}

/// By NATS: one connection, made when it is needed. Secrets are read at each login and never logged.
actor NATSPublisher: EventPublisher {
    private let settings: CockpitSettings.NATS
    private let address: NATSAddress
    private let tls: TLSClient
    private let secret: TokenFile?
    private let timeout: Duration
    private let loops: MultiThreadedEventLoopGroup
    private var connecting: Task<any Channel, any Error>?
    private var isShut = false

    private static let connectTimeout = TimeAmount.seconds(5)
    /// A login that is silent so long has failed.
    private static let loginTimeout = Duration.seconds(10)

    init(_ settings: CockpitSettings.NATS, certificateAuthority: String?, timeout: Duration) throws(CockpitError) {
        guard let address = NATSAddress(settings.url) else {
            throw CockpitError(
                .configuration, "clustercockpit.nats: \(settings.url) is no nats://HOST:PORT or tls://HOST:PORT")
        }
        do throws(TLSClientError) {
            tls = try TLSClient(authority: certificateAuthority)
        } catch {
            throw CockpitError(.configuration, "clustercockpit.certificate-authority: \(error.description)")
        }
        self.settings = settings
        secret = settings.secretFile.map { TokenFile(path: $0, isCredential: settings.isCredential) }
        self.address = address
        self.timeout = timeout
        loops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    }

    func publish(_ message: [UInt8]) async throws(CockpitError) { try await send(message) }
    func check() async throws(CockpitError) { try await send(nil) }

    func shutdown() async {
        guard !isShut else { return }
        isShut = true
        let last = connecting
        connecting = nil
        last?.cancel()
        if let channel = try? await last?.value { try? await channel.close() }
        try? await loops.shutdownGracefully()
    }

    private func send(_ message: [UInt8]?) async throws(CockpitError) {
        var used: Task<any Channel, any Error>?
        do {
            let (task, channel) = try await connection()
            used = task
            let taken = channel.eventLoop.makePromise(of: Void.self)
            let written = channel.eventLoop.makePromise(of: Void.self)
            // A connection that has ended has nobody who would fail what waits.
            written.futureResult.whenFailure { taken.fail(NATSConnection.reason($0)) }
            channel.writeAndFlush(
                NATSPublication(subject: settings.subject, payload: message, taken: taken), promise: written)
            try await Self.wait(for: taken, on: channel, within: timeout)
        } catch {
            let reason = NATSConnection.reason(error)
            // It ends, which may take a moment.
            if reason.code != .refused, connecting == used { connecting = nil }
            throw reason
        }
    }

    private static func wait(
        for promise: EventLoopPromise<Void>, on channel: any Channel, within limit: Duration
    ) async throws {
        let deadline = channel.eventLoop.scheduleTask(in: .init(limit)) {
            promise.fail(CockpitError(.unavailable, "no answer of the NATS server within \(limit)"))
            channel.close(promise: nil)
        }
        defer { deadline.cancel() }
        try await withTaskCancellationHandler {
            try await promise.futureResult.get()
        } onCancel: {
            channel.close(promise: nil)
        }
    }

    /// Those who come while one is being made share it.
    private func connection() async throws -> (Task<any Channel, any Error>, any Channel) {
        if let connecting {
            switch await connecting.result {
            case .success(let channel) where channel.isActive: return (connecting, channel)
            case .success, .failure: if self.connecting == connecting { self.connecting = nil }
            }
        }
        // Nothing can be begun on loops that have ended.
        guard !isShut else { throw CockpitError(.unavailable, "the connection to the NATS server was ended here") }
        let task = connecting ?? Task { try await connect() }
        connecting = task
        return (task, try await task.value)
    }

    private func connect() async throws -> any Channel {
        let login = NATSConnection.Login(
            user: settings.user, secret: try secret?.line(), host: address.host,
            isEncrypted: address.isEncrypted, tls: tls)
        let loop = loops.next()
        let ready = loop.makePromise(of: Void.self)
        let channel: any Channel
        do {
            channel = try await ClientBootstrap(group: loop)
                .connectTimeout(Self.connectTimeout)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(NATSConnection(login, ready: ready))
                    }
                }
                .connect(host: address.host, port: address.port).get()
        } catch {
            // No connection was begun where the name has no address.
            ready.fail(error)
            throw error
        }
        try await Self.wait(for: ready, on: channel, within: Self.loginTimeout)
        return channel
    }
}

extension CockpitSettings {
    /// nil: the backend takes jobs by HTTP.
    func publisher(of backend: Backend) throws(CockpitError) -> (any EventPublisher)? {
        guard let nats = backend.nats else { return nil }
        return try NATSPublisher(nats, certificateAuthority: certificateAuthority, timeout: min(timeout, .seconds(20)))
    }
}

/// `nats://HOST[:PORT]`, `tls://HOST[:PORT]`.
public struct NATSAddress: Sendable, Hashable {
    public var host: String
    public var port: Int
    public var isEncrypted: Bool

    /// - Returns: nil for another form, or one that holds a user.
    public init?(_ text: String) {
        let (scheme, rest): (Bool, Substring)
        if text.hasPrefix("nats://") {
            (scheme, rest) = (false, text.dropFirst(7))
        } else if text.hasPrefix("tls://") {
            (scheme, rest) = (true, text.dropFirst(6))
        } else {
            return nil
        }
        isEncrypted = scheme
        var name = rest.hasSuffix("/") ? rest.dropLast() : rest
        port = 4222
        let afterAddress = name.lastIndex(of: "]") ?? name.startIndex
        if let colon = name[afterAddress...].lastIndex(of: ":") {
            guard let number = Int(name[name.index(after: colon)...]), (1...65_535).contains(number) else { return nil }
            port = number
            name = name[..<colon]
        }
        if name.hasPrefix("["), name.hasSuffix("]") { name = name.dropFirst().dropLast() }
        guard !name.isEmpty, name.utf8.allSatisfy({ $0 > 32 && $0 < 127 }),
            !name.contains(where: { "@/,[]".contains($0) })
        else { return nil }
        host = String(name)
    }
}
