// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import NIOCore
import Testing

@testable import Sockets

@Suite("Why a port cannot be listened at")
struct ListeningAdviceTests {
    @Test("what to do is said; of a socket's path, and of what is not known, the error itself")
    func words() {
        let address = DoorAddress.tcp(host: "127.0.0.1", port: 6821)
        func says(_ number: Int32, _ address: DoorAddress) -> String {
            ListeningAdvice.words(IOError(errnoCode: number, reason: "bind"), at: address)
        }
        #expect(says(EADDRINUSE, address).contains("ss -ltnp \"sport = :6821\""))
        #expect(says(EADDRNOTAVAIL, address).contains("ip address"))
        #expect(says(EACCES, address).contains("below 1024"))
        #expect(says(EMFILE, address) == "Too many open files")
        struct Other: Error, CustomStringConvertible { let description = "other" }
        #expect(ListeningAdvice.words(Other(), at: address) == "other")
    }
}
