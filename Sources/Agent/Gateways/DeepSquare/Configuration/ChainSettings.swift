// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import BigInt
internal import Ethereum
internal import TLSClient

/// The part of the configuration about the chain. Without `metascheduler.endpoint.rpc` the agent has nothing to do with one.
struct ChainSettings: Equatable, Sendable {
    /// `metascheduler.endpoint.rpc`, http(s) addresses, separated by commas or as a YAML list: the nodes, the preferred one
    /// first. Default: none.
    var nodes: [RPCEndpoint] = []
    /// `metascheduler.endpoint.ws`, ws(s) address: wakes the agent when there is a new block. Default: none, the clock does.
    var webSocket: RPCEndpoint?
    /// `metascheduler.private-key`: the key itself, from the environment only (ETH_PRIVATE_KEY). Others of the same user can
    /// read it there: prefer one of the next.
    var keyInEnvironment: String?
    /// `metascheduler.smart-contract`, address: whose logs the agent reads. Default: none.
    var contract: Address?
    /// `chain.key-file`, path, of mode 0600: 64 digits or a keystore.
    var keyFile: String?
    /// `chain.key-credential`: the name of a file in the credentials folder, or of a systemd credential (LoadCredential=), with
    /// the same.
    var keyCredential: String?
    /// `chain.key-password-file`, path, of mode 0600: opens the keystore.
    var keyPasswordFile: String?
    /// `chain.signer`, http(s) address of a remote signer such as web3signer, and `chain.address`, its account.
    var signer: RPCEndpoint?
    var address: Address?
    /// `chain.id`: what the nodes must serve. Default: what the first one says.
    var id: UInt64?
    /// `chain.confirmations`: blocks on top of one before it counts; 0 where accepted is final. Default 0.
    var confirmations: UInt64 = 0
    /// `chain.in-flight`: transactions at once, 1 to 1000. Default 16.
    var inFlight = 16
    /// `chain.fee-ceiling`: the most for a unit of gas, in wei, or with the suffix gwei. Default 500gwei.
    var feeCeiling = TransactionSettings().feeCeiling
    /// `chain.certificate-authority`, path of a PEM file: trusted instead of the system's.
    var certificateAuthority: String?

    static let keyVariable = "ETH_PRIVATE_KEY"
    static let keyName = "metascheduler.private-key"
    /// What to do with a key.
    static let keyAdvice =
        "put a key into a file of mode 0600 and name that with chain.key-file (`slurm-grid-agent key import` does it)"

    /// What must fit together. Throws what to do.
    func check() throws(AgentConfiguration.Conflict) {
        let places = [
            (Self.keyName, keyInEnvironment), ("chain.key-file", keyFile), ("chain.key-credential", keyCredential),
            ("chain.signer", signer?.description),
        ]
        let keys = places.filter { $0.1 != nil }.map(\.0)
        guard !nodes.isEmpty else {
            guard keys.isEmpty else {
                throw .init(keys: keys, text: "there is a key and no node: set metascheduler.endpoint.rpc")
            }
            return
        }
        guard !keys.isEmpty else {
            throw .init(
                keys: ["metascheduler.endpoint.rpc"],
                text: "there is a node and no key: set one of chain.key-file, chain.key-credential, chain.signer")
        }
        guard keys.count == 1 else {
            throw .init(
                keys: keys,
                text:
                    "the key is given in several places: keep one of chain.key-file, chain.key-credential, chain.signer, "
                    + Self.keyVariable)
        }
        guard (signer == nil) == (address == nil) else {
            throw .init(
                keys: ["chain.signer", "chain.address"],
                text:
                    "chain.signer and chain.address belong together: set \(signer == nil ? "chain.signer" : "chain.address") too"
            )
        }
    }

    var notices: [String] {
        guard !nodes.isEmpty else {
            return contract == nil
                ? [] : ["metascheduler.smart-contract means nothing without metascheduler.endpoint.rpc"]
        }
        guard let certificateAuthority else { return [] }
        return TLSClient.notice(authority: certificateAuthority).map { ["chain.certificate-authority: \($0)"] } ?? []
    }
}

extension ConfigurationKey {
    private static let noKeyHere = "a key does not belong here: " + ChainSettings.keyAdvice

    static let chain: [ConfigurationKey] = [
        ConfigurationKey(
            "metascheduler.endpoint.rpc", \.chain.nodes, .list(.http), "The nodes, the preferred one first.",
            supervisor: "METASCHEDULER_ENDPOINT_RPC", example: "https://node.example.org/rpc"),
        ConfigurationKey(
            "metascheduler.endpoint.ws", \.chain.webSocket, .optional(.webSocket),
            "Wakes the agent for new blocks; without it the clock does.", supervisor: "METASCHEDULER_ENDPOINT_WS",
            example: "wss://node.example.org/ws"),
        ConfigurationKey(
            "metascheduler.smart-contract", \.chain.contract, .optional(.account), "The contract's address.",
            supervisor: "METASCHEDULER_SMART_CONTRACT", example: "0x3707aB457CF457275b7ec32e203c54df80C299d5"),
        ConfigurationKey(
            "chain.key-file", \.chain.keyFile, .optional(.path), "Holds the key, or a keystore; of mode 0600.",
            example: "/etc/slurm-grid-agent/chain.key"),
        ConfigurationKey(
            "chain.key-credential", \.chain.keyCredential, .optional(.word("NAME")),
            "The name of a file with the same in `/etc/slurm-grid-agent/credentials`, or of a systemd credential.",
            example: "chain-key"),
        ConfigurationKey(
            "chain.key-password-file", \.chain.keyPasswordFile, .optional(.path),
            "Holds the password of the keystore; of mode 0600.", example: "/etc/slurm-grid-agent/chain.password"),
        ConfigurationKey(
            "chain.signer", \.chain.signer, .optional(.http),
            "A remote signer such as web3signer, instead of a key. Needs `chain.address`.",
            example: "https://signer.example.org:9000"),
        ConfigurationKey(
            "chain.address", \.chain.address, .optional(.account, else: "the key's"), "The remote signer's account.",
            example: "0x52908400098527886E0F7030069857D2E4169EE7"),
        ConfigurationKey(
            "chain.id", \.chain.id, .optional(.number(1...UInt64.max), else: "the node's"),
            "What the nodes must serve.",
            example: "1"),
        ConfigurationKey(
            "chain.confirmations", \.chain.confirmations, .number(0...1000, "blocks"),
            "Blocks on top of one before it counts; 0 where what is accepted is final (Avalanche and its kin)."),
        ConfigurationKey(
            "chain.in-flight", \.chain.inFlight, .number(1...1000, "transactions"), "Transactions at once."),
        ConfigurationKey(
            "chain.fee-ceiling", \.chain.feeCeiling, .gasPrice, "The most for a unit of gas."),
        ConfigurationKey(
            "chain.certificate-authority", \.chain.certificateAuthority, .optional(.path, else: "the system's"),
            "A PEM file that is trusted for nodes and signer instead.", example: "/etc/ssl/certs/grid-ca.pem"),
        ConfigurationKey(
            secret: ChainSettings.keyName, instead: noKeyHere, advice: ChainSettings.keyAdvice,
            "The key itself, from the variable `ETH_PRIVATE_KEY` only, with a warning. Prefer a file.",
            from: .init(
                variable: ChainSettings.keyVariable,
                note: { $0.chain.keyInEnvironment = ChainSettings.keyVariable },
                isTaken: { $0.chain.keyInEnvironment != nil })),
        ConfigurationKey(secret: "chain.private-key", instead: noKeyHere, advice: ChainSettings.keyAdvice),
        ConfigurationKey(secret: "chain.key", instead: noKeyHere, advice: ChainSettings.keyAdvice),
        ConfigurationKey(
            secret: "chain.key-password",
            instead:
                "a password does not belong here: put it into a file of mode 0600, named with chain.key-password-file",
            advice: ChainSettings.keyAdvice),
    ]
}
