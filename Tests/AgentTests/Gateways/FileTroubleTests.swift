// SPDX-License-Identifier: GPL-3.0-or-later

import DeepSquare
import Foundation
import JobLifecycle
import Logging
import Support
import Testing

@testable import Agent
@testable import Ethereum

/// A disk that is full, or busy, ends no agent.
@Suite("Files that cannot be opened just now")
struct FileTroubleTests {
    private struct Signer: TransactionSigner {
        let address = Address.zero

        func sign(_ transaction: UnsignedTransaction) async throws(KeyError) -> SignedTransaction {
            throw KeyError(.failed, "no signer")
        }
        func sign(message: [UInt8]) async throws(KeyError) -> Signature { throw KeyError(.failed, "no signer") }
    }

    /// - Returns: nil: it is tried again; else the agent's exit status.
    private static func exitStatus(_ error: any Error) -> Int32? {
        (error as? Daemon.StartFailure)?.exitStatus
    }

    @Test("the chain's file: what passes is tried again, what is in it ends the agent")
    func chain() {
        for (code, status) in [
            (.full, nil), (.failed, nil), (.unusable, nil), (.closed, nil), (.newer, 78), (.otherAccount, 78),
            (.damaged, 78),
        ] as [(ChainStoreError.Code, Int32?)] {
            let error = ChainStoreError(code, "why").whenOpening
            #expect(Self.exitStatus(error) == status, "\(code)")
            #expect((error as? Patience.Trouble)?.description == (status == nil ? "why" : nil))
        }
    }

    @Test("the gateway's file and the ledger likewise")
    func grid() {
        for (code, status) in [(.storage, nil), (.unavailable, nil), (.wrongContract, nil), (.configuration, 78)]
            as [(GridError.Code, Int32?)]
        {
            #expect(Self.exitStatus(GridError(code, "why").whenOpening) == status, "\(code)")
        }
        for (code, status) in [
            (.full, nil), (.failed, nil), (.unusable, nil), (.newer, 78), (.otherCluster, 78), (.damaged, 73),
        ] as [(LedgerError.Code, Int32?)] {
            #expect(Self.exitStatus(LedgerError(code, "why").whenOpening) == status, "\(code)")
        }
    }

    @Test("chain.sqlite cannot be opened (SQLITE_CANTOPEN), and is again")
    func cannotOpen() async throws {
        let folder = FileManager.default.temporaryDirectory.path + "/troubles-\(UUID().uuidString.prefix(8))"
        let path = folder + "/chain.sqlite"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let transport = try HTTPTransport()
        var settings = ChainSettings()
        settings.id = 1337
        // Nobody listens there.
        settings.nodes = [try RPCEndpoint(http: "http://127.0.0.1:1")]
        let access = ChainAccess(transport: transport, signer: Signer())
        let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        func open() async throws -> ChainParts {
            try await ChainParts.open(
                settings, access: access, folder: folder, clock: TrustedClock(wall: { Date() }), logger: quiet)
        }
        let trouble = await #expect(throws: Patience.Trouble.self) { _ = try await open() }
        #expect(trouble?.description.contains("move it away") == true)
        try FileManager.default.removeItem(atPath: path)
        // On to the next thing that is not there: a node.
        do {
            try await open().close()
        } catch {
            #expect((error as? Patience.Trouble)?.description.contains("chain.sqlite") == false, "\(error)")
        }
        await transport.shutdown()
    }
}
