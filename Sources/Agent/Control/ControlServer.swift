// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import NIOPosix
internal import ServiceLifecycle
internal import SpankBridge

/// A question of another command of this program: one line of JSON.
struct ControlRequest: Codable, Sendable, Equatable {
    var command: String
    /// `events`: replay transitions after this one first.
    var since: Int64?
    /// `events`: also observations and hints.
    var observations: Bool?
    /// `retry`: the ledger's number of a job; nil: all.
    var ledgerJob: Int64?
    /// `chain-cancel`, `chain-bump`: a transaction's key.
    var key: String?
    /// `grid-jobs`: how many at most.
    var limit: Int?

    init(_ command: String) {
        self.command = command
    }
}

/// Answers the other commands while the agent runs: one request a connection, answers as lines of JSON.
struct ControlServer: Service {
    typealias Answers = AsyncThrowingStream<String, any Error>
    typealias Handler = @Sendable (ControlRequest) async throws -> Answers

    let socket: UnixSocketPath
    let allowedUsers: Set<UInt32>
    let handlers: [String: Handler]
    let logger: Logger

    private static let requestLimit = 64 * 1024

    func run() async throws {
        try socket.prepare()
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(unixDomainSocketPath: socket.path, childChannelInitializer: AcceptedBytes.initializer)
        try socket.setMode(0o660)
        await cancelWhenGracefulShutdown {
            try? await server.executeThenClose { clients in
                try await withThrowingDiscardingTaskGroup { group in
                    for try await client in clients {
                        group.addTask { try? await serve(client) }
                    }
                }
            }
        }
    }

    private func serve(_ client: AcceptedBytes) async throws {
        try await client.serve { try await serve($0, peer: client.peer) }
    }

    private func serve(_ channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>, peer: PeerCredentials?) async throws {
        try await channel.executeThenClose { inbound, outbound in
            guard let peer, allowedUsers.contains(peer.uid) else {
                try await outbound.write(Self.line(error: "only root and SlurmUser may ask the agent"))
                return
            }
            var request: [UInt8] = []
            for try await buffer in inbound {
                request += buffer.readableBytesView
                if request.contains(UInt8(ascii: "\n")) { break }
                guard request.count <= Self.requestLimit else {
                    try await outbound.write(Self.line(error: "a request has at most \(Self.requestLimit) bytes"))
                    return
                }
            }
            do {
                for try await line in try await answers(to: request.prefix { $0 != UInt8(ascii: "\n") }) {
                    try await outbound.write(ByteBuffer(string: line + "\n"))
                }
            } catch let error as ChannelError {
                throw error
            } catch {
                try await outbound.write(Self.line(error: "\(error)"))
            }
        }
    }

    private func answers(to request: ArraySlice<UInt8>) async throws -> Answers {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        guard let parsed = try? decoder.decode(ControlRequest.self, from: Data(request)) else {
            throw ControlFailure(description: "the request is no JSON object with a \"command\"")
        }
        guard let handler = handlers[parsed.command] else {
            throw ControlFailure(
                description:
                    "this agent knows no \"\(parsed.command)\"; it knows \(handlers.keys.sorted().joined(separator: ", "))"
            )
        }
        return try await handler(parsed)
    }

    private static func line(error: String) -> ByteBuffer {
        let text = (try? json(["error": error])) ?? #"{"error":"unknown"}"#
        return ByteBuffer(string: text + "\n")
    }

    static func json(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    /// The whole answer to a question.
    static func single(_ value: some Encodable) throws -> Answers {
        let text = try json(value)
        return Answers { continuation in
            continuation.yield(text)
            continuation.finish()
        }
    }
}

struct ControlFailure: Error, CustomStringConvertible {
    var description: String
}
