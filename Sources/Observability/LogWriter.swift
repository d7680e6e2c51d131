// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
internal import NIOConcurrencyHelpers

/// Puts lines into standard error and never waits for whoever reads it.
///
/// A journald that hangs, or a pipe that nobody empties, must not stop a daemon that has jobs to report. What does not go at
/// once waits here and goes first next time; when too much waits, new lines are dropped and counted, and the count is told
/// as soon as there is room. A line that went is with the reader: a crash right after it loses nothing.
package final class LogWriter: Sendable {
    /// Bytes that wait at most: some thousand lines.
    package static let limit = 1 << 20

    private struct State {
        var waiting: [UInt8] = []
        var lost = 0
    }

    private let descriptor: Int32
    private let isSocket: Bool
    private let limit: Int
    private let lostLine: @Sendable (Int) -> String
    private let state = NIOLockedValueBox(State())

    /// - Parameter lostLine: what is said of so many dropped lines.
    package init(descriptor: Int32, limit: Int = LogWriter.limit, lostLine: @escaping @Sendable (Int) -> String) {
        var status = stat()
        isSocket = fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
        (self.descriptor, self.limit, self.lostLine) = (descriptor, limit, lostLine)
    }

    package func write(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        state.withLockedValue { state in
            drain(&state)
            if state.waiting.isEmpty {
                state.waiting = Array(bytes.dropFirst(put(bytes)))
            } else if state.waiting.count + bytes.count <= limit {
                state.waiting += bytes
            } else {
                state.lost += 1
            }
        }
    }

    /// Tries again what waits.
    /// - Returns: whether nothing waits any more.
    @discardableResult
    package func retry() -> Bool {
        state.withLockedValue { state in
            drain(&state)
            return state.waiting.isEmpty
        }
    }

    private func drain(_ state: inout State) {
        while !state.waiting.isEmpty {
            let count = put(state.waiting)
            if count > 0 { state.waiting.removeFirst(count) }
            guard state.waiting.isEmpty, state.lost > 0 else { return }
            state.waiting = Array((lostLine(state.lost) + "\n").utf8)
            state.lost = 0
        }
    }

    /// - Returns: how many bytes it took.
    private func put(_ bytes: [UInt8]) -> Int {
        bytes.withUnsafeBytes { all in
            var done = 0
            while done < all.count {
                let count = piece(UnsafeRawBufferPointer(rebasing: all[done...]))
                if count == 0 { break }
                done += count
            }
            return done
        }
    }

    private func piece(_ bytes: UnsafeRawBufferPointer) -> Int {
        while true {
            let count: Int
            if isSocket {
                count = send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
            } else {
                // The file's flags are shared with whoever started us, so it cannot be made non-blocking. A pipe that poll
                // calls writable has a free page: so much does not block (pipe(7)).
                var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                guard poll(&ready, 1, 0) != 0 else { return 0 }
                count = Glibc.write(descriptor, bytes.baseAddress, min(bytes.count, 4096))
            }
            if count >= 0 { return count }
            if errno == EINTR { continue }
            // Else nobody will ever read it.
            return errno == EAGAIN ? 0 : bytes.count
        }
    }
}
