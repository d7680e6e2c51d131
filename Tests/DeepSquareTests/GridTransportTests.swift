// SPDX-License-Identifier: GPL-3.0-or-later

import GRPCCore
import Testing

@testable import DeepSquare

@Suite("What is said of a service that cannot be reached")
struct GridTransportTests {
    private struct Cause: Error, CustomStringConvertible {
        var description: String
    }

    private static let notReady = "Channel is in a transient failure state and 'wait for ready' isn't enabled."

    @Test(
        "the cause, not that there is one",
        arguments: [
            ("Could not connect.", "connection refused", "unavailable: Could not connect.: connection refused"),
            (
                "The server closed the connection.", "handshakeFailed([error:1000007d:…:CERTIFICATE_VERIFY_FAILED])",
                "its TLS certificate cannot be verified: look at its dates, its authority, and sbatch.tls.ca"
            ),
        ])
    func causes(_ message: String, _ cause: String, _ said: String) {
        let inner = RPCError(code: .unavailable, message: message, cause: Cause(description: cause))
        #expect(GridTransport.words(inner) == said)
        #expect(
            GridTransport.words(RPCError(code: .unavailable, message: Self.notReady, cause: inner)) == said)
    }

    @Test("one line, of bounded length")
    func bounded() {
        let said = GridTransport.words(
            RPCError(code: .internalError, message: "a\nb\u{7f}" + String(repeating: "x", count: 1000)))
        #expect(said.hasPrefix("internalError: a b x") && said.count == 300)
    }
}
