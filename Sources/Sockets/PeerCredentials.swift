// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
public import NIOCore

/// Who is at the other end of a Unix socket, as the kernel says (SO_PEERCRED). Laid out as the kernel's `struct ucred`,
/// whose declaration needs _GNU_SOURCE.
public struct PeerCredentials: Sendable, Hashable {
    public var pid: Int32 = 0
    public var uid: UInt32 = .max
    public var gid: UInt32 = .max

    /// Of nobody.
    public init() {}

    /// nil when the channel is no Unix socket or its peer has no credentials.
    ///
    /// To be asked for by the channel's initializer: once the channel reads, a peer that has sent its message and left
    /// closes it.
    public static func of(_ channel: any Channel) -> EventLoopFuture<PeerCredentials?> {
        guard let provider = channel as? any SocketOptionProvider else {
            return channel.eventLoop.makeSucceededFuture(nil)
        }
        let peer: EventLoopFuture<PeerCredentials> = provider.unsafeGetSocketOption(
            level: .init(SOL_SOCKET), name: .init(SO_PEERCRED))
        return peer.map { Optional($0) }.recover { _ in nil }
    }
}
