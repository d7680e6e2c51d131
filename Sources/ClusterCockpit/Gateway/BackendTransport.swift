// SPDX-License-Identifier: GPL-3.0-or-later

internal import AsyncHTTPClient
internal import Glibc
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import Support
internal import TLSClient

/// A request to a backend.
struct BackendRequest: Sendable, Hashable {
    enum Method: String, Sendable, Hashable {
        case get = "GET"
        case post = "POST"
        case delete = "DELETE"
    }

    var method: Method
    /// Below `/api`, with its slash at the end.
    var path: String
    var body: [UInt8]?
    /// Bytes of the answer that are read.
    var answerLimit = 64 * 1024
    var timeout: Duration
}

/// An answer with its body.
struct BackendResponse: Sendable {
    var status: Int
    var body: [UInt8]

    var answer: BackendAnswer {
        BackendAnswer(status, (200..<300).contains(status) ? "" : BackendText.reason(body))
    }
}

/// Carries requests to one backend. Throws `unavailable`: whether it arrived is not known then.
protocol BackendTransport: Sendable {
    func send(_ request: BackendRequest) async throws(CockpitError) -> BackendResponse
    func shutdown() async
}

/// By HTTP/1.1. TLS is verified; redirects are not followed, so that no answer can choose an address and no POST becomes a GET.
final class HTTPBackendTransport: BackendTransport {
    private let client: HTTPClient
    private let base: String
    private let token: TokenFile
    private let loops: MultiThreadedEventLoopGroup

    init(_ backend: CockpitSettings.Backend, certificateAuthority: String?) throws(CockpitError) {
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow, timeout: .init(connect: .seconds(5)))
        do throws(TLSClientError) {
            configuration.tlsConfiguration = try TLSClient(authority: certificateAuthority).configuration
        } catch {
            throw CockpitError(.configuration, "clustercockpit.certificate-authority: \(error.description)")
        }
        configuration.http1_1ConnectionDebugInitializer = { TLSClient.checkNames($0) }
        configuration.httpVersion = .http1Only
        configuration.connectionPool.idleTimeout = .seconds(30)
        configuration.connectionPool.retryConnectionEstablishment = false
        loops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        client = HTTPClient(eventLoopGroup: loops, configuration: configuration)
        base = (backend.url.hasSuffix("/") ? String(backend.url.dropLast()) : backend.url) + "/api"
        token = TokenFile(path: backend.tokenFile, isCredential: backend.isCredential)
    }

    func shutdown() async {
        try? await client.shutdown()
        try? await loops.shutdownGracefully()
    }

    func send(_ wanted: BackendRequest) async throws(CockpitError) -> BackendResponse {
        let token = try token.read()
        var request = HTTPClientRequest(url: base + wanted.path)
        request.method = .RAW(value: wanted.method.rawValue)
        request.headers.add(name: "X-Auth-Token", value: token)
        if let body = wanted.body {
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: body))
        }
        do {
            let response = try await client.execute(request, timeout: .init(wanted.timeout))
            let body = try await response.body.collect(upTo: wanted.answerLimit)
            return BackendResponse(status: Int(response.status.code), body: Array(body.readableBytesView))
        } catch is NIOTooManyBytesError {
            throw CockpitError(.malformed, "the answer is larger than \(wanted.answerLimit) bytes")
        } catch let error as HTTPClientError where error == .deadlineExceeded || error == .connectTimeout {
            throw CockpitError(.unavailable, "no answer within \(wanted.timeout)")
        } catch {
            let text = "\(error)"
            throw CockpitError(
                .unavailable, TLSClient.describe(text, key: "clustercockpit.certificate-authority") ?? text)
        }
    }
}

/// A token or password, read when it is used: an administrator may exchange it. Never logged.
struct TokenFile: Sendable {
    let path: String
    let isCredential: Bool

    private static let limit = 16 * 1024

    /// The token.
    func read() throws(CockpitError) -> String {
        let token = try text().filter { !$0.isWhitespace }
        guard !token.isEmpty, token.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
            throw CockpitError(.unavailable, "\(path): holds no token")
        }
        return token
    }

    /// Its first line: a password may have blanks.
    func line() throws(CockpitError) -> String {
        let line = try text().prefix { !$0.isNewline }
        guard !line.isEmpty else { throw CockpitError(.unavailable, "\(path): its first line is empty") }
        return String(line)
    }

    private func text() throws(CockpitError) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard file >= 0 else {
            let number = errno
            let advice =
                number == EACCES ? ": " + FileFault.advice(reading: path) : number == ELOOP ? ": it is a link" : ""
            throw CockpitError(.unavailable, "\(path): \(String(cString: strerror(number)))\(advice)")
        }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw CockpitError(.unavailable, "\(path): is no plain file")
        }
        // systemd's access list shows as group bits.
        guard status.st_mode & (isCredential ? 0o007 : 0o077) == 0 else {
            throw CockpitError(
                .unavailable, "\(path): others can read it: chmod 0600 \(path), and exchange what is in it")
        }
        var bytes = [UInt8](repeating: 0, count: Self.limit)
        let count = bytes.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, $0.count) }
        guard count > 0 else { throw CockpitError(.unavailable, "\(path): is empty, or cannot be read") }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
