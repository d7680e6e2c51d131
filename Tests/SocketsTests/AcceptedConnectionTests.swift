// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing
import Waiting

@testable import Sockets

@Suite("Connections that a listener hands over", .timeLimit(.minutes(3)))
struct AcceptedConnectionTests {
    /// A listener on a Unix socket, gone after the body; `accepted` counts the connections that it has made ready.
    private func withListener(
        clients count: Int,
        _ body: (_ server: NIOAsyncChannel<AcceptedBytes, Never>, _ clients: [any Channel], _ accepted: () -> Int)
            async throws -> Void
    ) async throws -> [any Channel] {
        let path = FileManager.default.temporaryDirectory.path + "/accepted-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let accepted = NIOLockedValueBox(0)
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(unixDomainSocketPath: path) { channel in
                AcceptedBytes.initializer(channel).map { connection in
                    accepted.withLockedValue { $0 += 1 }
                    return connection
                }
            }
        var clients: [any Channel] = []
        for _ in 0..<count {
            clients.append(
                try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                    .connect(unixDomainSocketPath: path).get())
        }
        try await body(server, clients) { accepted.withLockedValue { $0 } }
        return clients
    }

    @Test("those that nobody serves are closed when the listener ends")
    func forgotten() async throws {
        let clients = try await withListener(clients: 5) { server, _, accepted in
            try await server.executeThenClose { _ in
                try await waitUntil { accepted() == 5 }
            }
        }
        for client in clients { try await client.closeFuture.get() }
    }

    @Test("one that is served stays open until it has been")
    func served() async throws {
        let clients = try await withListener(clients: 1) { server, clients, _ in
            try await server.executeThenClose { connections in
                for try await connection in connections {
                    let task = Task {
                        try await connection.serve { channel in
                            try await channel.executeThenClose { inbound, outbound in
                                for try await buffer in inbound {
                                    try await outbound.write(buffer)
                                    return
                                }
                            }
                        }
                    }
                    try await Task.sleep(for: .milliseconds(50))
                    #expect(clients[0].isActive)
                    try await clients[0].writeAndFlush(ByteBuffer(string: "now"))
                    try await task.value
                    break
                }
            }
        }
        try await clients[0].closeFuture.get()
    }

    @Test("one that is turned away is closed")
    func turnedAway() async throws {
        _ = try await withListener(clients: 1) { server, clients, _ in
            try await server.executeThenClose { connections in
                for try await connection in connections {
                    connection.close()
                    try await clients[0].closeFuture.get()
                    break
                }
            }
        }
    }
}
