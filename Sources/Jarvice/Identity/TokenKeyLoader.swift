// SPDX-License-Identifier: GPL-3.0-or-later

internal import AsyncHTTPClient
internal import FoundationEssentials
internal import Glibc
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import TLSClient

/// Reads a key set from a file or a URL.
enum TokenKeyLoader {
    private static let limit = 1 << 20
    private static let timeout: Int64 = 5

    static func load(_ keys: TokenSettings.Keys, authority: String?) async throws -> [UInt8] {
        switch keys {
        case .file(let path):
            return try await NIOThreadPool.singleton.runIfActive { try read(path) }
        case .url(let url):
            return try await fetch(url, authority: authority)
        }
    }

    private static func read(_ path: String) throws -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else {
            throw JarviceError(.unavailable, "\(path): \(String(cString: strerror(errno)))")
        }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: limit + 1)
        var count = 0
        while count < bytes.count {
            let more = bytes.withUnsafeMutableBytes { buffer in
                Glibc.read(file, buffer.baseAddress.map { $0 + count }, buffer.count - count)
            }
            if more < 0 && errno == EINTR { continue }
            guard more >= 0 else { throw JarviceError(.unavailable, "\(path): \(String(cString: strerror(errno)))") }
            if more == 0 { break }
            count += more
        }
        guard count <= limit else { throw JarviceError(.unavailable, "\(path): has more than \(limit) bytes") }
        return Array(bytes[..<count])
    }

    private static func fetch(_ url: String, authority: String?) async throws -> [UInt8] {
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: try TLSClient(authority: authority).configuration,
            redirectConfiguration: .disallow,
            timeout: .init(connect: .seconds(timeout), read: .seconds(timeout)))
        configuration.httpVersion = .http1Only
        let client = HTTPClient(eventLoopGroup: MultiThreadedEventLoopGroup.singleton, configuration: configuration)
        let answer: Result<[UInt8], any Error>
        do {
            let response = try await client.execute(HTTPClientRequest(url: url), timeout: .seconds(timeout))
            guard response.status == .ok else {
                throw JarviceError(.unavailable, "\(url) answers \(response.status.code)")
            }
            let body = try await response.body.collect(upTo: limit)
            answer = .success(Array(body.readableBytesView))
        } catch {
            answer = .failure(error)
        }
        try? await client.shutdown()
        return try answer.get()
    }
}
