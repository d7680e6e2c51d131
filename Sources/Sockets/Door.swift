// SPDX-License-Identifier: GPL-3.0-or-later

internal import NIOConcurrencyHelpers
internal import NIOCore

/// Where a door is.
public enum DoorAddress: Sendable, Hashable, CustomStringConvertible {
    case unix(UnixSocketPath, mode: UInt32)
    /// A numeric address.
    case tcp(host: String, port: Int)

    public var description: String {
        switch self {
        case .unix(let socket, _): socket.path
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }
}

/// Who is inside, of one listener.
final class Door: Sendable {
    private struct State {
        var table: ConnectionTable<ObjectIdentifier>
        var channels: [ObjectIdentifier: any Channel] = [:]
    }

    private let state: NIOLockedValueBox<State>

    init(limit: Int, perOrigin: Int?) {
        state = NIOLockedValueBox(State(table: ConnectionTable(limit: limit, perOrigin: perOrigin)))
    }

    /// - Returns: whether it may stay, and who has to go for it.
    func enter(_ channel: any Channel, from origin: String) -> (isAdmitted: Bool, instead: (any Channel)?) {
        let key = ObjectIdentifier(channel)
        let answer = state.withLockedValue { state -> (Bool, (any Channel)?) in
            switch state.table.enter(key, from: origin) {
            case .refused: return (false, nil)
            case .admitted:
                state.channels[key] = channel
                return (true, nil)
            case .instead(let other):
                state.channels[key] = channel
                return (true, state.channels.removeValue(forKey: other))
            }
        }
        // By the channel's own word, however its service ends.
        if answer.0 { channel.closeFuture.whenComplete { _ in self.leave(key) } }
        return answer
    }

    private func leave(_ key: ObjectIdentifier) {
        state.withLockedValue { state in
            state.channels[key] = nil
            state.table.leave(key)
        }
    }

    func trust(_ channel: any Channel) {
        state.withLockedValue { $0.table.trust(ObjectIdentifier(channel)) }
    }

    func vouch(for origin: String) {
        state.withLockedValue { $0.table.vouch(for: origin) }
    }

    /// There is no room: the oldest that has shown nothing goes.
    ///
    /// - Returns: whether there was one.
    func makeRoom() -> Bool {
        let victim = state.withLockedValue { state in
            state.table.evict().flatMap { state.channels.removeValue(forKey: $0) }
        }
        victim?.close(promise: nil)
        return victim != nil
    }

    var count: Int { state.withLockedValue { $0.table.count } }
}
