// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Sockets
import Testing

@testable import Jarvice

/// One connection, read as text (each byte a letter).
final class Line {
    private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    let channel: any Channel
    private(set) var unread = ""

    init(_ inbound: NIOAsyncChannelInboundStream<ByteBuffer>, _ channel: any Channel) {
        self.inbound = inbound.makeAsyncIterator()
        self.channel = channel
    }

    /// Returns once the kernel has it.
    func send(_ text: String) async throws { try await channel.writeAndFlush(ByteBuffer(string: text)) }

    /// What comes up to and with some text; all, when the other side ends before it.
    func read(to end: String) async throws -> String {
        while !unread.contains(end) {
            guard let more = try? await inbound.next() else { break }
            unread += String(buffer: more)
        }
        guard let found = unread.range(of: end) else {
            defer { unread = "" }
            return unread
        }
        defer { unread = String(unread[found.upperBound...]) }
        return String(unread[..<found.upperBound])
    }

    /// All, to the end of the connection.
    func readAll() async throws -> String { try await read(to: "\u{0}never") }

    /// How many bytes come until the end.
    func count() async -> Int {
        var count = unread.utf8.count
        while let more = try? await inbound.next() { count += more.readableBytes }
        return count
    }
}

/// A job's node, at which somebody answers as a test says.
struct FakeNode {
    let port: Int
    private let server: any Channel
    private let task: Task<Void, Never>

    init(_ serve: @escaping @Sendable (Line) async throws -> Void) async throws {
        let server = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .bind(host: "127.0.0.1", port: 0) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        port = try #require(server.channel.localAddress?.port)
        self.server = server.channel
        task = Task {
            try? await server.executeThenClose { connections in
                try await withThrowingDiscardingTaskGroup { group in
                    for try await connection in connections {
                        group.addTask {
                            try? await connection.executeThenClose { inbound, _ in
                                try await serve(Line(inbound, connection.channel))
                                // A close drops what is not sent yet.
                                try await connection.channel.writeAndFlush(ByteBuffer()).get()
                            }
                        }
                    }
                }
            }
        }
    }

    func stop() async {
        try? await server.close()
        task.cancel()
        await task.value
    }
}

final class FakePages: JobPages {
    let relays = JobRelays()
    let place: NIOLockedValueBox<PagePlace?>
    let error = NIOLockedValueBox<JarviceError?>(nil)
    let delay = NIOLockedValueBox(Duration.zero)

    init(port: Int?) {
        place = NIOLockedValueBox(port.map { PagePlace(address: "127.0.0.1", port: $0) })
    }

    func place(of jobID: UInt32, secret: String) async throws(JarviceError) -> PagePlace? {
        if let error = error.withLockedValue({ $0 }) { throw error }
        let delay = delay.withLockedValue { $0 }
        if delay > .zero { try? await Task.sleep(for: delay) }
        return jobID == 7 && secret == "s" ? place.withLockedValue { $0 } : nil
    }
}

/// The proxy on a Unix socket.
struct PageSite {
    let pages: FakePages
    private let folder: String
    private let path: String
    private let task: Task<Void, any Error>

    init(_ pages: FakePages, change: (inout PageServer.Settings) -> Void = { _ in }) async throws {
        self.pages = pages
        let folder = FileManager.default.temporaryDirectory.path + "/pages-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        self.folder = folder
        path = folder + "/socket"
        let address = DoorAddress.unix(try UnixSocketPath(path), mode: 0o600)
        var settings = PageServer.Settings(address: address, domain: try JobsDomain("h/job$"))
        change(&settings)
        let (opened, open) = AsyncStream.makeStream(of: String?.self)
        let server = PageServer(
            settings, certificate: nil, pages: pages, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            onTrouble: { open.yield($0) })
        task = Task { try await server.run() }
        for await trouble in opened {
            try #require(trouble == nil)
            break
        }
    }

    func connected<Value: Sendable>(_ body: @Sendable (Line) async throws -> Value) async throws -> Value {
        let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connect(unixDomainSocketPath: path) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, _ in
            try await body(Line(inbound, channel.channel))
        }
    }

    func stop() async {
        task.cancel()
        _ = await task.result
        try? FileManager.default.removeItem(atPath: folder)
    }
}
