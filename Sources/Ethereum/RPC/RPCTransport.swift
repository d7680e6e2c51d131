// SPDX-License-Identifier: GPL-3.0-or-later

internal import AsyncHTTPClient
internal import NIOCore
internal import NIOFoundationEssentialsCompat
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL

/// Carries a request's bytes to a node and the answer's back.
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
        do {
            configuration.tlsConfiguration = try tlsConfiguration(certificateAuthority)
        } catch {
            throw RPCError(.unreachable, "\(certificateAuthority ?? ""): no PEM file of certificates: \(error)")
        }
        // A node that does not answer TLS's farewell holds up no stop.
        configuration.tlsConfiguration?.shutdownTimeout = .milliseconds(500)
        configuration.httpVersion = .http1Only
        configuration.connectionPool.idleTimeout = .seconds(30)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 32
        // Another node is asked instead.
        configuration.connectionPool.retryConnectionEstablishment = false
        client = HTTPClient(eventLoopGroup: MultiThreadedEventLoopGroup.singleton, configuration: configuration)
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
        request.body = .bytes(ByteBuffer(bytes: body))
        do {
            let response = try await client.execute(request, timeout: .init(timeout))
            guard response.status == .ok else {
                // Some nodes put JSON-RPC's own error into an HTTP error.
                let start = try? await response.body.collect(upTo: 4096)
                let words = start.map { String(buffer: $0).prefix(120) } ?? ""
                throw RPCError(.http(Int(response.status.code)), "\(endpoint): HTTP \(response.status.code) \(words)")
            }
            return Array(buffer: try await response.body.collect(upTo: answerLimit))
        } catch let error as RPCError {
            throw error
        } catch is NIOTooManyBytesError {
            throw RPCError(.tooLarge, "\(endpoint): the answer is larger than \(answerLimit) bytes")
        } catch let error as HTTPClientError where error == .deadlineExceeded || error == .connectTimeout {
            throw RPCError(.timedOut, "\(endpoint): no answer within \(timeout)")
        } catch {
            throw RPCError(.unreachable, "\(endpoint): \(error)")
        }
    }
}

func tlsConfiguration(_ certificateAuthority: String?) throws -> TLSConfiguration {
    var configuration = TLSConfiguration.makeClientConfiguration()
    if let certificateAuthority {
        configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(certificateAuthority))
    }
    return configuration
}
