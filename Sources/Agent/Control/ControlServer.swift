// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import ServiceLifecycle
internal import Sockets
internal import StatusViews

/// A question of another command of this program: one line of JSON.
struct ControlRequest: Codable, Sendable, Equatable {
    var command: String
    /// `events`: replay transitions after this one first. Else Unix seconds.
    var since: Int64?
    /// `events`: also observations and hints.
    var observations: Bool?
    /// `retry`: the ledger's number of a job; nil: all.
    var ledgerJob: Int64?
    /// Of what is named by one: a transaction's.
    var key: String?
    /// How many at most.
    var limit: Int?
    /// What is added up.
    var by: String?
    /// Whose job would be tried, and how large.
    var trial: Trial?
    /// What a gateway's own command takes beside these, by name.
    var arguments: [String: String]?

    struct Trial: Codable, Sendable, Equatable {
        var customer: String
        var tasks: UInt64
        /// CPUs of each task.
        var cores: UInt64
        /// MB of the whole job.
        var memory: UInt64
        var gpus: UInt64
        var minutes: UInt64
    }

    init(_ command: String) {
        self.command = command
    }

    /// nil: the line is no request.
    init?(line: [UInt8]) {
        // Flat and small: what is not is left before Foundation's decoder sees it.
        var shape = FlatJSON()
        guard shape.accepts(line) else { return nil }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        guard let parsed = try? decoder.decode(ControlRequest.self, from: Data(line)) else { return nil }
        self = parsed
    }
}

/// Answers the other commands while the agent runs: one request a connection, answers as lines of JSON.
///
/// No client holds anything up: places, sizes and times are bounded. Only a stream of events goes on for as long as it is read.
struct ControlServer: Service {
    /// Lines, each made when the one before has been taken.
    struct Answers: Sendable {
        let each: @Sendable (_ take: (String) async throws -> Void) async throws -> Void
    }

    typealias Handler = @Sendable (ControlRequest) async throws -> Answers
    typealias Listener = SocketListener<ByteBuffer, ByteBuffer>

    struct Limits: Sendable {
        /// Open at once.
        var connections = 64
        var requestBytes = 64 * 1024
        /// For the whole request.
        var request: Duration = .seconds(10)
        /// Until its answer begins.
        var answer: Duration = .seconds(120)
        /// For the client to take a line.
        var line: Duration = .seconds(30)
        /// Between two attempts to listen.
        var retry: Duration = .seconds(2)
    }

    let socket: UnixSocketPath
    let allowedUsers: Set<UInt32>
    let handlers: [String: Handler]
    var limits = Limits()
    let logger: Logger
    /// Told why nobody can come in, and nil when they can.
    var onTrouble: @Sendable (String?) -> Void = { _ in }

    func run() async throws {
        var settings = Listener.Settings()
        settings.connections = limits.connections
        settings.retry = limits.retry
        settings.watch = limits.retry
        let listener = Listener(
            .unix(socket, mode: 0o660), settings: settings, initializer: AcceptedBytes.initializer, report: heard)
        await cancelWhenGracefulShutdown {
            await listener.run { client, place in
                try? await client.serve { try await serve($0, peer: client.peer, place) }
            }
        }
    }

    private func heard(_ event: Listener.Event) {
        switch event {
        case .listening, .fed:
            onTrouble(nil)
        case .failed(let why), .starved(let why):
            onTrouble(why)
            logger.error("commands cannot ask the agent", metadata: ["socket": "\(socket.path)", "why": "\(why)"])
        case .vanished:
            logger.warning("the control socket vanished; making it again", metadata: ["socket": "\(socket.path)"])
        case .refused:
            logger.warning(
                "turned a command away: \(limits.connections) are being answered",
                metadata: ["socket": "\(socket.path)"])
        case .replaced:
            break
        }
    }

    private func serve(
        _ channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>, peer: PeerCredentials?, _ place: Listener.Place
    ) async throws {
        let underlying = channel.channel
        let deadline = ChannelDeadline(underlying)
        defer { deadline.clear() }
        deadline.set(limits.request)
        try await channel.executeThenClose { inbound, _ in
            // By the channel, which says when the client has it: the end of the connection drops what only waits to be sent.
            @Sendable func write(_ line: ByteBuffer) async throws {
                deadline.set(limits.line)
                try await underlying.writeAndFlush(line)
                deadline.clear()
            }
            guard let peer, allowedUsers.contains(peer.uid) else {
                return try await write(Self.line(error: "only root and SlurmUser may ask the agent"))
            }
            var request: [UInt8] = []
            for try await buffer in inbound {
                // Each byte is looked at once, also of a request that comes byte by byte.
                let part = buffer.readableBytesView.prefix { $0 != UInt8(ascii: "\n") }
                guard request.count + part.count <= limits.requestBytes else {
                    return try await write(Self.line(error: "a request has at most \(limits.requestBytes) bytes"))
                }
                request += part
                if part.count < buffer.readableBytes { break }
            }
            place.trust()
            deadline.set(limits.answer)
            let line = request
            // Ends with its client, too, who may leave while nothing is to be told.
            let work = Task {
                do {
                    let answers = try await answers(to: line[...])
                    deadline.clear()
                    try await answers.each { try await write(ByteBuffer(string: $0 + "\n")) }
                } catch let error as ChannelError {
                    throw error
                } catch {
                    try await write(Self.line(error: "\(error)"))
                }
            }
            underlying.closeFuture.whenComplete { _ in work.cancel() }
            try await withTaskCancellationHandler {
                try await work.value
            } onCancel: {
                work.cancel()
            }
        }
    }

    private func answers(to request: ArraySlice<UInt8>) async throws -> Answers {
        guard let parsed = ControlRequest(line: Array(request)) else {
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
        String(decoding: try StatusJSON.encoder(Gateways.all).encode(value), as: UTF8.self)
    }

    /// The whole answer to a question.
    static func single(_ value: some Encodable) throws -> Answers {
        let text = try json(value)
        return Answers { try await $0(text) }
    }
}

struct ControlFailure: Error, CustomStringConvertible {
    var description: String
}
