// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
internal import NIOCore
internal import NIOPosix

/// What the failure of a connection means, for people: the library's own texts name its types.
public enum ConnectionWords {
    /// nil: it is not about the connection itself.
    public static func describe(_ error: any Error) -> String? {
        switch error {
        case let error as NIOConnectionError:
            if let first = error.connectionErrors.first { return describe(first.error) }
            guard (error.dnsAError ?? error.dnsAAAAError) != nil else { return nil }
            return "there is no address for the name \(error.host) (DNS, /etc/hosts)"
        case let error as IOError: return words(error.errnoCode)
        case let error as ChannelError: return words(error)
        default: return nil
        }
    }

    private static func words(_ error: ChannelError) -> String? {
        switch error {
        case .connectTimeout: "the host does not answer: it is down, or a firewall is between"
        case .eof, .ioOnClosedChannel, .alreadyClosed, .inputClosed, .outputClosed: "it closed the connection"
        default: nil
        }
    }

    private static func words(_ number: Int32) -> String {
        switch number {
        case ECONNREFUSED: "connection refused: nothing listens there"
        case ECONNRESET, EPIPE, ECONNABORTED: "it closed the connection"
        case EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN: "no route to the host"
        case ETIMEDOUT: "the host does not answer: it is down, or a firewall is between"
        case EACCES, EPERM: "this host's own firewall or sandbox forbids the connection"
        default: String(cString: strerror(number))
        }
    }
}
