// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
internal import NIOCore

/// Why a TCP address cannot be listened at, and what to do about it.
public enum ListeningAdvice {
    /// - Parameter number: of the error, as bind(2) has it.
    /// - Returns: nil: there is nothing to say but the error itself.
    public static func words(_ number: Int32, port: Int) -> String? {
        switch number {
        case EADDRINUSE: "another process has the port: ss -ltnp \"sport = :\(port)\" says which"
        case EADDRNOTAVAIL: "this host has no such address: `ip address` lists those that it has"
        case EACCES: "ports below 1024 are for root: take another one"
        default: nil
        }
    }

    static func words(_ error: any Error, at address: DoorAddress) -> String {
        guard case .tcp(_, let port) = address, let number = (error as? IOError)?.errnoCode else { return "\(error)" }
        return words(number, port: port) ?? String(cString: strerror(number))
    }
}
