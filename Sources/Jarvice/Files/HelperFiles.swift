// SPDX-License-Identifier: GPL-3.0-or-later

public import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import NIOPosix

/// Asks the helper at its socket, by a connection for each file.
public struct HelperFiles: JobFiles {
    private let socket: String
    private let logger: Logger
    private let limit: Duration
    private let open = NIOLockedValueBox(0)

    /// Lines that are read at most.
    public static let lineLimit = FileRequest.lineLimit

    /// As many as the helper's socket unit takes at once.
    private static let atOnce = 16

    /// - Parameter limit: for one file.
    public init(socket: String, logger: Logger, limit: Duration = .seconds(25)) {
        self.socket = socket
        self.logger = logger
        self.limit = limit
    }

    public func tail(of path: String, as userID: UInt32, lines: Int) async throws(JarviceError) -> String? {
        let (answer, text) = try await ask(FileRequest(userID: userID, path: path, lines: lines))
        return answer.kind == .text ? text : nil
    }

    public func remove(_ path: String, as userID: UInt32, before: Int64) async throws(JarviceError) {
        _ = try await ask(FileRequest(userID: userID, path: path, action: .remove, before: before))
    }

    public func removeFolder(_ path: String, as userID: UInt32) async throws(JarviceError) {
        _ = try await ask(FileRequest(userID: userID, path: path, action: .removeFolder))
    }

    public func list(_ path: String, as userID: UInt32, details: Bool) async throws(JarviceError) -> FileListing {
        let (answer, text) = try await ask(FileRequest(userID: userID, path: path, action: .list, details: details))
        // The helper's words begin with a name.
        let why = answer.why.map { why in String(why[(why.lastIndex(of: ":") ?? why.startIndex)...].dropFirst(2)) }
        return answer.kind == .text ? .entries(text) : .nothing(answer.kind == .nothing ? why : nil)
    }

    /// What the helper says, and the text behind it; whatever is no answer is thrown.
    private func ask(_ request: FileRequest) async throws(JarviceError) -> (answer: FileAnswer, text: String) {
        let isFree = open.withLockedValue { open in
            guard open < Self.atOnce else { return false }
            open += 1
            return true
        }
        guard isFree else { throw Self.away("too many are read at once") }
        defer { open.withLockedValue { $0 -= 1 } }
        let socket = socket
        let bytes = try await Deadline.within(limit, "the reader of job files") { () -> Result<[UInt8], JarviceError> in
            do {
                return .success(try await Self.exchange(FileLine.encode(request), socket))
            } catch {
                return .failure(Self.away("\(socket): \(error)"))
            }
        }
        let lineEnd = bytes.firstIndex(of: FileLine.end)
        guard let lineEnd, let answer = FileLine.decode(FileAnswer.self, bytes[..<lineEnd]) else {
            throw Self.away("\(socket): it ended without an answer")
        }
        let text = bytes[(lineEnd + 1)...]
        switch answer.kind {
        case .text:
            guard text.count == answer.size else { throw Self.away("\(socket): its answer was cut") }
            return (answer, String(decoding: text, as: UTF8.self))
        case .nothing: return (answer, "")
        case .refused:
            logger.warning(
                "JARVICE: a file of a job is left alone",
                metadata: [
                    "path": "\(request.path)", "uid": "\(request.userID)", "why": "\(answer.why ?? "no reason")",
                ])
            return (answer, "")
        case .failed: throw Self.away("\(request.path): \(answer.why ?? "no reason")")
        }
    }

    private static func away(_ why: String) -> JarviceError {
        JarviceError(.unavailable, "the job's output cannot be read now: \(why)")
    }

    private static func exchange(_ request: [UInt8], _ socket: String) async throws -> [UInt8] {
        let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connect(unixDomainSocketPath: socket) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(bytes: request))
            var bytes: [UInt8] = []
            for try await part in inbound {
                bytes.append(contentsOf: part.readableBytesView)
                guard bytes.count <= FileRequest.byteLimit + FileRequest.sizeLimit else { break }
            }
            return bytes
        }
    }
}
