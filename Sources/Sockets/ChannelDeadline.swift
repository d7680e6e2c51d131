// SPDX-License-Identifier: GPL-3.0-or-later

internal import NIOConcurrencyHelpers
public import NIOCore

/// Closes a connection that takes too long for something. Whoever waits for it sees its end.
public final class ChannelDeadline: Sendable {
    private let channel: any Channel
    private let onLate: @Sendable () -> Void
    private let scheduled = NIOLockedValueBox<Scheduled<Void>?>(nil)

    /// - Parameter onLate: called when it was too long, before the connection is closed.
    public init(_ channel: any Channel, onLate: @escaping @Sendable () -> Void = {}) {
        self.channel = channel
        self.onLate = onLate
    }

    /// From now; a deadline that was set before counts no more.
    public func set(_ time: Duration) {
        clear()
        setUnlessSet(time)
    }

    /// What trickles in does not move it.
    public func setUnlessSet(_ time: Duration) {
        scheduled.withLockedValue { scheduled in
            guard scheduled == nil else { return }
            scheduled = channel.eventLoop.scheduleTask(in: TimeAmount(time)) { [channel, onLate] in
                onLate()
                channel.close(promise: nil)
            }
        }
    }

    public func clear() {
        let before = scheduled.withLockedValue { scheduled in
            defer { scheduled = nil }
            return scheduled
        }
        before?.cancel()
    }
}
