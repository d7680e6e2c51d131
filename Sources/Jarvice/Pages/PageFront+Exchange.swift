// SPDX-License-Identifier: GPL-3.0-or-later

internal import NIOCore
internal import NIOHTTP1
internal import Sockets

extension PageFront {
    struct Deadlines: Sendable {
        /// For each request's head.
        var head: Duration = .seconds(10)
        var nextRequest: Duration = .seconds(120)
        var connect: Duration = .seconds(5)
    }

    struct Site: Sendable {
        var domain: JobsDomain
        var pages: any JobPages
        /// Of the connection, as the client used it.
        var scheme: String
        var deadlines = Deadlines()
        /// For one more connection to a job.
        var room: @Sendable () -> DescriptorLimit.Room = DescriptorLimit.current.room
        /// Told of a client that knew a secret.
        var onTrusted: @Sendable (any Channel) -> Void = { _ in }
        /// Told why a job's page could not be had.
        var onFailure: @Sendable (_ jobID: UInt32, _ why: String) -> Void = { _, _ in }
    }

    /// Too many files are open for a connection to a job.
    struct NoRoom: Error, CustomStringConvertible {
        var description: String { "too many files are open (RLIMIT_NOFILE)" }
    }

    /// A request that has begun.
    struct Exchange {
        var request: HTTPRequestHead
        var target: JobsDomain.Target
        var isSocket: Bool
        /// The client has sent all of it.
        var isSent = false
        var isAnswered = false
        /// The answer is this connection's last.
        var closes: Bool
    }
}
