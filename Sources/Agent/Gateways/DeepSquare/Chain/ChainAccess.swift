// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import FoundationEssentials
internal import Logging

/// The way to the nodes, and the account. Opened once a process: a key in the environment is wiped when it is read.
struct ChainAccess: Sendable {
    let transport: HTTPTransport
    let signer: any TransactionSigner

    /// Throws `Patience.Trouble`: a key or a certificate may be put there while the agent runs.
    static func open(_ settings: ChainSettings, logger: Logger) async throws -> ChainAccess {
        do {
            let transport = try transport(settings)
            do {
                return ChainAccess(transport: transport, signer: try signer(settings, transport, logger))
            } catch {
                await transport.shutdown()
                throw error
            }
        } catch let error as KeyError {
            throw Patience.Trouble(description: error.description)
        } catch let error as RPCError {
            throw Patience.Trouble(description: error.description)
        }
    }

    func close() async {
        await transport.shutdown()
    }

    static func transport(_ settings: ChainSettings) throws -> HTTPTransport {
        try HTTPTransport(certificateAuthority: settings.certificateAuthority)
    }

    static func signer(
        _ settings: ChainSettings, _ transport: HTTPTransport, _ logger: Logger
    ) throws -> any TransactionSigner {
        if let endpoint = settings.signer, let address = settings.address {
            return RemoteSigner(endpoint: endpoint, address: address, transport: transport)
        }
        KeySource.forbidCoreDumps()
        let source: KeySource
        if let file = settings.keyFile {
            source = .file(file)
        } else if let name = settings.keyCredential {
            source = .credential(name)
        } else {
            logger.warning(
                "the key comes from the environment, where others of this user can read it: `slurm-grid-agent key import`, then chain.key-file"
            )
            source = .environment(ChainSettings.keyVariable)
        }
        let key = try source.load(
            passwordFile: settings.keyPasswordFile,
            credentials: ProcessInfo.processInfo.environment["CREDENTIALS_DIRECTORY"])
        return LocalSigner(key)
    }
}
