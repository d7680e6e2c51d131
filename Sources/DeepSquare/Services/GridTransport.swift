// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRPCCore
internal import GRPCNIOTransportHTTP2Posix
internal import NIOCore
internal import SwiftProtobuf
internal import TLSClient

/// How the grid's gRPC services are reached: TLS with the server verified, unless the configuration says otherwise.
enum GridTransport {
    typealias Client = GRPCClient<HTTP2ClientTransport.Posix>

    /// Throws a `GridError` when the roots cannot be read.
    static func make(
        _ endpoint: ServiceEndpoint, _ security: GridSettings.Security
    ) throws(GridError) -> HTTP2ClientTransport.Posix {
        do {
            var callbacks = HTTP2ClientTransport.Config.ChannelDebuggingCallbacks.defaults
            if let tls = try tls(security) {
                // By the library's own handler no IP address could be connected to.
                callbacks.onCreateTCPConnection = { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let handler = try tls.handler(host: endpoint.host)
                        try channel.pipeline.syncOperations.addHandler(handler, position: .first)
                    }
                }
            }
            return try HTTP2ClientTransport.Posix(
                target: .dns(host: endpoint.host, port: endpoint.port),
                transportSecurity: security == .plaintext ? .plaintext : .customSecure,
                config: .defaults { config in
                    // A service that is back serves jobs again in seconds; gRPC's own limit is two minutes.
                    config.backoff.max = .seconds(5)
                    config.channelDebuggingCallbacks = callbacks
                })
        } catch {
            throw GridError(.configuration, "\(endpoint): \(error): look at sbatch.tls.ca")
        }
    }

    /// HTTP/2 in TLS (RFC 9113, section 3.3), as gRPC has it; nil: none.
    private static func tls(_ security: GridSettings.Security) throws(TLSClientError) -> TLSClient? {
        let protocols = ["grpc-exp", "h2"]
        return switch security {
        case .plaintext: nil
        case .unverified: try TLSClient(verifies: false, applicationProtocols: protocols)
        case .verified(let authority): try TLSClient(authority: authority, applicationProtocols: protocols)
        }
    }

    /// Keeps a client's connection until the task is cancelled or the client was ended.
    ///
    /// Cancelled, it does not wait until the connection is closed: TLS's farewell takes 5 s with a server that does not answer
    /// it. What still closes holds nothing but its socket.
    static func run(_ client: Client) async throws {
        let (over, continuation) = AsyncStream<Void>.makeStream()
        let connection = Task {
            defer { continuation.finish() }
            try await client.runConnections()
        }
        for await _ in over {}
        if Task.isCancelled {
            client.beginGracefulShutdown()
            connection.cancel()
        } else {
            try await connection.value
        }
    }

    /// A connection for a few calls. Its closing is not waited for either.
    static func with<Answer: Sendable>(
        _ transport: HTTP2ClientTransport.Posix, _ body: (Client) async throws -> Answer
    ) async throws -> Answer {
        let client = Client(transport: transport)
        let connection = Task { try await run(client) }
        defer { connection.cancel() }
        return try await body(client)
    }

    /// Whether an answer was larger than what was asked for. The library has no code for it: the test with a real server tells
    /// when its words change.
    static func isTooLarge(_ error: GRPCCore.RPCError) -> Bool {
        error.code == .internalError && error.message.hasPrefix("Failed to decode message")
    }

    /// Whether an answer holds a string that is none.
    static func isNoText(_ error: GRPCCore.RPCError) -> Bool {
        guard let cause = error.cause as? BinaryDecodingError, case .invalidUTF8 = cause else { return false }
        return true
    }

    /// What to do about it; nil: its words say so.
    static func advice(_ error: any Error) -> String? {
        guard let error = error as? GRPCCore.RPCError, TLSClient.describe("\(error)", key: "sbatch.tls.ca") == nil
        else {
            return nil
        }
        switch error.code {
        case .unavailable, .deadlineExceeded: return "does it run, and is sbatch.endpoint right?"
        case .unauthenticated, .permissionDenied: return "it refuses this account: ask the grid's administrators"
        default: return nil
        }
    }

    /// One line, of bounded length: a service's words may be anything.
    static func words(_ error: any Error) -> String {
        var text = "\(error)"
        if let error = error as? GRPCCore.RPCError {
            if let cause = error.cause.flatMap(ConnectionWords.describe) { return cause }
            text = "\(error.code): \(error.message)\(error.cause.map { ": \($0)" } ?? "")"
        }
        // In the middle of OpenSSL's words.
        if let tls = TLSClient.describe(text, key: "sbatch.tls.ca") { text = tls }
        // gRPC puts it before what matters.
        text.replace("Channel is in a transient failure state and 'wait for ready' isn't enabled. ", with: "")
        let line = text.unicodeScalars.prefix(300).map { $0.value < 32 || $0.value == 127 ? " " : String($0) }
        return line.joined()
    }
}
