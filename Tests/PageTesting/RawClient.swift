// SPDX-License-Identifier: GPL-3.0-or-later

import Dispatch
import Glibc

/// A client that writes what it is told, byte by byte if need be.
package final class RawClient: @unchecked Sendable {
    package struct Failure: Error {
        package var what: String
        package var number: Int32
    }

    private let descriptor: Int32

    private init(_ descriptor: Int32) throws {
        guard descriptor >= 0 else { throw Failure(what: "socket", number: errno) }
        self.descriptor = descriptor
        // Nothing here waits for ever.
        var patience = timeval()
        patience.tv_sec = 60
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    package convenience init(unix path: String) throws {
        try self.init(socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        try connect(&address)
    }

    package convenience init(port: UInt16) throws {
        try self.init(socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        var address = Self.loopback(port)
        try connect(&address)
    }

    private func connect(_ address: UnsafePointer<some Any>) throws {
        let size = socklen_t(MemoryLayout.size(ofValue: address.pointee))
        let result = UnsafeRawPointer(address).withMemoryRebound(to: sockaddr.self, capacity: 1) {
            Glibc.connect(descriptor, $0, size)
        }
        guard result == 0 else { throw Failure(what: "connect", number: errno) }
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }

    package func send(_ text: String) throws {
        let sent = Glibc.send(descriptor, text, text.utf8.count, Int32(MSG_NOSIGNAL))
        // A server that has turned us away already says so in its answer.
        guard sent == text.utf8.count || [EPIPE, ECONNRESET].contains(errno) else {
            throw Failure(what: "send", number: errno)
        }
    }

    /// A text that is longer than the socket takes at once: returns when all of it has gone, or the other side has closed.
    package func sendAll(_ text: String) async throws {
        try await Self.offThePool { try self.send(text) }
    }

    /// All that comes until the other side closes.
    package func answer() async throws -> String {
        try await Self.offThePool { [descriptor] in
            var all: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = recv(descriptor, &buffer, buffer.count, 0)
                if count == 0 || (count < 0 && [ECONNRESET, EPIPE].contains(errno)) {
                    return String(decoding: all, as: UTF8.self)
                }
                guard count > 0 else { throw Failure(what: "recv", number: errno) }
                all += buffer[..<count]
            }
        }
    }

    /// Returns when something has come, which is left to be read.
    package func firstBytes() async throws {
        try await Self.offThePool { [descriptor] in
            var byte: UInt8 = 0
            guard recv(descriptor, &byte, 1, Int32(MSG_PEEK)) == 1 else {
                throw Failure(what: "recv", number: errno)
            }
        }
    }

    /// Whether the other side of a Unix socket has closed.
    package var isClosed: Bool {
        var events = pollfd(fd: descriptor, events: 0, revents: 0)
        return poll(&events, 1, 0) == 1
    }

    /// Returns when the other side of a Unix socket has closed (POLLHUP), without reading anything.
    package func closed() async throws {
        try await Self.offThePool { [descriptor] in
            var events = pollfd(fd: descriptor, events: 0, revents: 0)
            guard poll(&events, 1, 60_000) == 1 else { throw Failure(what: "poll", number: errno) }
        }
    }

    private static func offThePool<Result: Sendable>(
        _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(with: .init(catching: body)) }
        }
    }

    /// Listens on a free port of the loopback; the port is taken until it is gone.
    package final class Listener {
        private let descriptor: Int32
        package let port: UInt16

        package init() throws {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = RawClient.loopback(0)
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            let result = withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, size) == 0 && listen(descriptor, 1) == 0
                        && getsockname(descriptor, $0, &size) == 0
                }
            }
            guard result else { throw Failure(what: "listen", number: errno) }
            self.descriptor = descriptor
            port = UInt16(bigEndian: address.sin_port)
        }

        deinit { close(descriptor) }
    }
}
