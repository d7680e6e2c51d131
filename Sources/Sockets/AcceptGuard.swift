// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
internal import NIOCore
internal import Support

/// Keeps a listening socket through what accept(2) fails for and gets over: too few descriptors or too little memory, and
/// clients that leave before they are taken in. It accepts nothing for a while, longer each time, and the same when only
/// the descriptors are left that are kept from clients.
///
/// For a server channel, before its other handlers: they see none of these errors.
final class AcceptGuard: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel
    typealias OutboundIn = any Channel

    static let retry = RetryPolicy(first: .milliseconds(20), ceiling: .seconds(1))
    static let shortest = TimeAmount(retry.first)
    static let longest = TimeAmount(retry.ceiling)

    private let room: @Sendable () -> DescriptorLimit.Room
    /// Called with each such error in words; nil: connections come in again. Returns whether somebody had to go for it.
    private let onTrouble: @Sendable (String?) -> Bool
    /// Since a connection came in last.
    private var failures = 0
    private var isPaused = false
    private var hasTrouble = false
    private var waiting: Scheduled<Void>?

    /// - Parameter room: for one more client.
    init(
        room: @escaping @Sendable () -> DescriptorLimit.Room = DescriptorLimit.current.room,
        onTrouble: @escaping @Sendable (String?) -> Bool
    ) {
        self.room = room
        self.onTrouble = onTrouble
    }

    /// Whether a listening socket is as good as before after such an error.
    static func isPassing(_ number: CInt) -> Bool {
        [EMFILE, ENFILE, ENOBUFS, ENOMEM, ECONNABORTED, EPERM, EPROTO, EAGAIN, EINTR].contains(number)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? IOError, Self.isPassing(error.errnoCode) else {
            return context.fireErrorCaught(error)
        }
        // One client less; the next may be taken at once.
        guard error.errnoCode != ECONNABORTED else { return }
        hasTrouble = true
        _ = onTrouble("\(error)")
        pause(context)
    }

    private func pause(_ context: ChannelHandlerContext) {
        guard !isPaused else { return }
        isPaused = true
        let pause = TimeAmount(Self.retry.delay(attempt: failures))
        waiting = context.eventLoop.assumeIsolated().scheduleTask(in: pause) {
            self.isPaused = false
            context.read()
        }
        failures += 1
    }

    func read(context: ChannelHandlerContext) {
        if !isPaused { context.read() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let room = room()
        guard room == .enough else {
            hasTrouble = true
            if onTrouble("too many files are open (RLIMIT_NOFILE)"), room == .exchange {
                context.fireChannelRead(data)
            } else {
                unwrapInboundIn(data).close(promise: nil)
            }
            return pause(context)
        }
        failures = 0
        if hasTrouble {
            hasTrouble = false
            _ = onTrouble(nil)
        }
        context.fireChannelRead(data)
    }

    func channelInactive(context: ChannelHandlerContext) {
        waiting?.cancel()
        context.fireChannelInactive()
    }
}
