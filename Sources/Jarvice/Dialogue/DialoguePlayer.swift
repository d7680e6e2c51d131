// SPDX-License-Identifier: GPL-3.0-or-later

internal import AsyncHTTPClient
internal import FoundationEssentials
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import TLSClient

/// Sends recorded requests to a running agent, one after the other, as upstream would.
public struct DialoguePlayer: Sendable {
    public enum Outcome: Sendable, Equatable {
        case same
        /// Nothing was recorded to compare with: its status.
        case answered(Int)
        case different(String)
        /// It would change jobs.
        case skipped
        /// Not all that it had brought was recorded.
        case incomplete([String])
        case failed(String)
    }

    private let base: String
    private let key: String?
    private let authority: String?
    private let sendsChanges: Bool

    private static let timeout: Int64 = 60

    /// - Parameters:
    ///   - address: `http://HOST:PORT`, `https://HOST:PORT`, or the path of a Unix socket.
    ///   - key: `user:password`.
    ///   - authority: a PEM file that verifies the agent's certificate; nil: the system's.
    ///   - sendsChanges: what submits, ends or releases jobs too.
    public init(address: String, key: String?, authority: String?, sendsChanges: Bool) {
        base = address.hasPrefix("/") ? "http+unix://\(Self.encoded(address))" : address
        self.key = key
        self.authority = authority
        self.sendsChanges = sendsChanges
    }

    /// - Parameter tell: each request with what became of it.
    public func play(
        _ lines: [DialogueLine], tell: (_ method: String, _ path: String, Outcome) -> Void
    ) async throws {
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: try TLSClient(authority: authority).configuration,
            redirectConfiguration: .disallow,
            timeout: .init(connect: .seconds(Self.timeout), read: .seconds(Self.timeout)))
        configuration.httpVersion = .http1Only
        configuration.connectionPool.retryConnectionEstablishment = false
        let client = HTTPClient(eventLoopGroup: MultiThreadedEventLoopGroup.singleton, configuration: configuration)
        for line in lines { tell(line.method, line.path, await outcome(line, client)) }
        try? await client.shutdown()
    }

    private func outcome(_ line: DialogueLine, _ client: HTTPClient) async -> Outcome {
        guard line.leftOut.isEmpty else { return .incomplete(line.leftOut) }
        guard sendsChanges || !line.changesJobs else { return .skipped }
        var request = HTTPClientRequest(url: base + line.path)
        request.method = HTTPMethod(rawValue: line.method)
        if let key {
            request.headers.add(name: "Authorization", value: "Basic \(Data(key.utf8).base64EncodedString())")
        }
        if let args = line.args {
            request.headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded")
            request.body = .bytes(ByteBuffer(string: "args=\(Self.encoded(JSONText(args).text))"))
        }
        do {
            let response = try await client.execute(request, timeout: .seconds(Self.timeout))
            let body = try await response.body.collect(upTo: 64 << 20)
            let answer = (
                status: Int(response.status.code), type: response.headers.first(name: "Content-Type") ?? "",
                body: String(buffer: body)
            )
            if let difference = line.difference(from: answer) { return .different(difference) }
            return line.status == nil && line.body == nil ? .answered(answer.status) : .same
        } catch {
            return .failed("\(error)")
        }
    }

    private static func encoded(_ text: String) -> String {
        text.utf8.map { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: String(UnicodeScalar(byte))
            default: "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }.joined()
    }
}
