// SPDX-License-Identifier: GPL-3.0-or-later

internal import AsyncHTTPClient
internal import NIOCore
internal import NIOFoundationEssentialsCompat
internal import NIOHTTP1
internal import NIOPosix
internal import TLSClient

/// Carries a request's bytes to a node and the answer's back. JSON-RPC's own errors are answers, whatever HTTP's status is;
/// of 429 only the pause that it asks for counts.
public protocol RPCTransport: Sendable {
    func post(
        _ body: [UInt8], to endpoint: RPCEndpoint, timeout: Duration, answerLimit: Int
    ) async throws(RPCError) -> [UInt8]
}

/// By HTTP/1.1. TLS is verified; redirects are not followed, so that no answer can choose an address.
public final class HTTPTransport: RPCTransport {
    private let client: HTTPClient

    /// - Parameter certificateAuthority: a PEM file that is trusted instead of the system's.
    public init(certificateAuthority: String? = nil) throws(RPCError) {
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow, timeout: .init(connect: .seconds(5)))
        do throws(TLSClientError) {
            configuration.tlsConfiguration = try TLSClient(authority: certificateAuthority).configuration
        } catch {
            throw RPCError(.unreachable, error.description)
        }
        configuration.http1_1ConnectionDebugInitializer = { TLSClient.checkNames($0) }
        configuration.httpVersion = .http1Only
        configuration.connectionPool.idleTimeout = .seconds(30)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 32
        // Another node is asked instead.
        configuration.connectionPool.retryConnectionEstablishment = false
        client = HTTPClient(eventLoopGroup: ChainEventLoops.group, configuration: configuration)
    }

    deinit {
        // Its own deinit ends the process when nobody has done this; a second time only fails.
        client.shutdown { _ in }
    }

    /// Closes the connections, and waits for that.
    public func shutdown() async {
        try? await client.shutdown()
    }

    public func post(
        _ body: [UInt8], to endpoint: RPCEndpoint, timeout: Duration, answerLimit: Int
    ) async throws(RPCError) -> [UInt8] {
        var request = HTTPClientRequest(url: endpoint.url)
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/json")
        if let authorization = endpoint.authorization {
            request.headers.add(name: "Authorization", value: authorization)
        }
        request.body = .bytes(ByteBuffer(bytes: body))
        do {
            let response = try await client.execute(request, timeout: .init(timeout))
            if response.status == .ok { return Array(buffer: try await response.body.collect(upTo: answerLimit)) }
            let content = (try? await response.body.collect(upTo: Self.errorLimit)).map { Array(buffer: $0) } ?? []
            if response.status != .tooManyRequests, RPCCodec.isAnswer(content) { return content }
            throw Self.error(response, content, endpoint)
        } catch let error as RPCError {
            throw error
        } catch is NIOTooManyBytesError {
            throw RPCError(.tooLarge, "\(endpoint): the answer is larger than \(answerLimit) bytes")
        } catch let error as HTTPClientError where error == .deadlineExceeded || error == .connectTimeout {
            throw RPCError(.timedOut, "\(endpoint): no answer within \(timeout)")
        } catch {
            throw RPCError(.unreachable, "\(endpoint): \(Self.words(error))")
        }
    }
}

extension HTTPTransport {
    /// Of an answer whose status is not 200.
    private static let errorLimit = 1 << 20

    static func words(_ error: any Error) -> String {
        if let words = ConnectionWords.describe(error) { return words }
        switch error as? HTTPClientError {
        case .remoteConnectionClosed: return "it closed the connection without an answer"
        case .tlsHandshakeTimeout: return "the TLS handshake took too long: is it https that is spoken there?"
        default: return TLSClient.describe("\(error)", key: "chain.certificate-authority") ?? "\(error)"
        }
    }

    private static func error(
        _ response: HTTPClientResponse, _ content: [UInt8], _ endpoint: RPCEndpoint
    ) -> RPCError {
        let code = Int(response.status.code)
        let words = String(decoding: content.prefix(120), as: UTF8.self)
        let pause = response.headers.first(name: "Retry-After").flatMap { retryAfter($0) }
        return RPCError(.http(code), "\(endpoint): HTTP \(code) \(words)", retryAfter: pause)
    }

    /// RFC 9110, section 10.2.3; of a date, which asks for a clock, nothing.
    static func retryAfter(_ text: String) -> Duration? {
        guard let seconds = Int64(text.filter { $0 != " " }), (0...86_400).contains(seconds) else { return nil }
        return .seconds(seconds)
    }
}

/// The event loops of everything that comes from nodes: the plugins have others.
enum ChainEventLoops {
    static let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
}
