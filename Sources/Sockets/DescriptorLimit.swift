// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc

/// How many files the process may have open (RLIMIT_NOFILE), and how many of them are kept from clients.
///
/// libdispatch, on whose threads Swift's tasks run, looks at its threads once a second by opening a file in /proc, and ends the
/// process (SIGILL) when it cannot: a process that has used up its descriptors lives for a second at most. So clients never get the
/// last ones.
public struct DescriptorLimit: Sendable, Equatable {
    /// With fewer the agent does not start: its own files and connections are some 40.
    public static let least = 256
    /// As many as it asks for, as far as the hard limit allows: more than all doors together let in.
    public static let wanted = 65_536

    /// The soft limit.
    public let limit: Int

    public init(limit: Int) { self.limit = limit }

    /// Kept for files, for connections that the agent opens, and for libdispatch.
    public var reserve: Int { min(max(limit / 16, 64), 1024) }

    /// As the process is limited now.
    public static var current: DescriptorLimit {
        var now = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &now) == 0 else {
            return DescriptorLimit(limit: least)
        }
        return DescriptorLimit(limit: Int(clamping: now.rlim_cur))
    }

    /// Raises the soft limit as far as it may be and is of use. For the start, before there are threads.
    public static func raise() -> DescriptorLimit {
        var now = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &now) == 0 else { return current }
        let aim = min(now.rlim_max, rlim_t(wanted))
        if now.rlim_cur < aim {
            now.rlim_cur = aim
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &now)
        }
        return current
    }

    /// What there is for one more client.
    public enum Room: Sendable {
        case enough
        /// One may come in when another goes.
        case exchange
        /// Half of what is kept from clients is taken: those that went have not left yet.
        case none
    }

    /// Any thread; two system calls.
    public func room() -> Room {
        // The kernel hands out the lowest number that is free: below it all are taken.
        let next = open("/dev/null", O_RDONLY | O_CLOEXEC)
        guard next >= 0 else { return .none }
        close(next)
        let left = limit - Int(next)
        return left > reserve ? .enough : left > reserve / 2 ? .exchange : .none
    }
}
