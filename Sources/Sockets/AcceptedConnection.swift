// SPDX-License-Identifier: GPL-3.0-or-later

public import NIOCore

/// A connection as its listener hands it over. One that nobody comes to serve, because its listener ends, closes by itself.
///
/// NIO ends the process when a `NIOAsyncChannel` is forgotten before it is closed, and a listener that ends forgets the
/// connections which wait in its sequence.
public final class AcceptedConnection<Inbound: Sendable, Outbound: Sendable>: Sendable {
    public let peer: PeerCredentials?
    /// Numeric, of the other host. Asked for before the channel reads, as the credentials are: one that has left has none.
    public let address: String?
    private let channel: NIOAsyncChannel<Inbound, Outbound>

    public init(_ channel: NIOAsyncChannel<Inbound, Outbound>, peer: PeerCredentials? = nil) {
        self.channel = channel
        self.peer = peer
        address = channel.channel.remoteAddress?.ipAddress
    }

    deinit {
        // Kept until NIO has taken its handlers out. After `serve` it is closed, and this does nothing.
        channel.channel.closeFuture.whenComplete { [channel] _ in withExtendedLifetime(channel) {} }
        channel.channel.close(promise: nil)
    }

    /// The channel below: who is there, its event loop, and a way to close it from elsewhere.
    public var underlying: any Channel { channel.channel }

    /// - Parameter body: closes the channel, as `executeThenClose` does.
    public func serve<Result>(_ body: (NIOAsyncChannel<Inbound, Outbound>) async throws -> Result) async rethrows
        -> Result
    {
        // Else it could be gone, and have closed the channel, as soon as the body has it.
        defer { withExtendedLifetime(self) {} }
        return try await body(channel)
    }

    public func close() {
        channel.channel.close(promise: nil)
    }
}

public typealias AcceptedBytes = AcceptedConnection<ByteBuffer, ByteBuffer>

extension AcceptedConnection where Inbound == ByteBuffer, Outbound == ByteBuffer {
    /// For a listener's `bind`.
    public static func initializer(_ channel: any Channel) -> EventLoopFuture<AcceptedConnection> {
        PeerCredentials.of(channel).flatMapThrowing { peer in
            AcceptedConnection(
                try NIOAsyncChannel(
                    wrappingChannelSynchronously: channel,
                    configuration: .init(inboundType: ByteBuffer.self, outboundType: ByteBuffer.self)), peer: peer)
        }
    }
}
