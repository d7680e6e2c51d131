// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import NIOCore
import NIOPosix
import Testing

@testable import TLSClient

@Suite("Why there is no connection, in words")
struct ConnectionWordsTests {
    private func failure(_ host: String, _ port: Int) async throws -> any Error {
        do {
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(host: host, port: port).get()
            try await channel.close()
        } catch {
            return error
        }
        throw ChannelError.eof
    }

    @Test("nobody listens there; there is no such name")
    func real() async throws {
        #expect(
            ConnectionWords.describe(try await failure("127.0.0.1", 1)) == "connection refused: nothing listens there")
        let unknown = ConnectionWords.describe(try await failure("nowhere.invalid", 1))
        #expect(unknown == "there is no address for the name nowhere.invalid (DNS, /etc/hosts)")
    }

    @Test(
        "error numbers",
        arguments: [
            (ECONNRESET, "it closed the connection"), (EHOSTUNREACH, "no route to the host"),
            (ETIMEDOUT, "the host does not answer: it is down, or a firewall is between"),
            (EACCES, "this host's own firewall or sandbox forbids the connection"), (ENOTDIR, "Not a directory"),
        ])
    func numbers(_ number: Int32, _ words: String) {
        #expect(ConnectionWords.describe(IOError(errnoCode: number, reason: "connect")) == words)
    }

    @Test("what is not about the connection is left to others")
    func others() {
        #expect(ConnectionWords.describe(CancellationError()) == nil)
        #expect(ConnectionWords.describe(ChannelError.badMulticastGroupAddressFamily) == nil)
    }
}
