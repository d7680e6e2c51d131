// SPDX-License-Identifier: GPL-3.0-or-later

internal import BigInt
internal import Ethereum

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
    /// `chain.key-credential`: the name of a systemd credential (LoadCredential=) with the same.
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
    /// What to do with a key.
    static let keyAdvice =
        "put a key into a file of mode 0600 and name that with chain.key-file (`slurm-grid-agent key import` does it)"

    /// What must fit together. Throws what to do.
    func check() throws(AgentConfiguration.Problem) {
        let keys = [keyInEnvironment, keyFile, keyCredential, signer?.url].count { $0 != nil }
        guard !nodes.isEmpty else {
            guard keys == 0 else {
                throw .init(description: "there is a key and no node: set metascheduler.endpoint.rpc")
            }
            return
        }
        guard keys == 1 else {
            throw .init(
                description: keys == 0
                    ? "there is a node and no key: set one of chain.key-file, chain.key-credential, chain.signer"
                    : "the key is given in several places: keep one of chain.key-file, chain.key-credential, chain.signer, "
                        + "\(Self.keyVariable)")
        }
        guard (signer == nil) == (address == nil) else {
            throw .init(description: "chain.signer and chain.address belong together")
        }
    }
}

extension ConfigurationKey {
    private static let noKeyHere = "a key does not belong here: " + ChainSettings.keyAdvice

    static let chain: [ConfigurationKey] = [
        ConfigurationKey(
            "metascheduler.endpoint.rpc", \.chain.nodes, .list(.http), supervisor: "METASCHEDULER_ENDPOINT_RPC"),
        ConfigurationKey(
            "metascheduler.endpoint.ws", \.chain.webSocket, .optional(.webSocket),
            supervisor: "METASCHEDULER_ENDPOINT_WS"),
        ConfigurationKey(
            "metascheduler.smart-contract", \.chain.contract, .optional(.account),
            supervisor: "METASCHEDULER_SMART_CONTRACT"),
        ConfigurationKey("chain.key-file", \.chain.keyFile, .optional(.path)),
        ConfigurationKey("chain.key-credential", \.chain.keyCredential, .optional(.word("NAME"))),
        ConfigurationKey("chain.key-password-file", \.chain.keyPasswordFile, .optional(.path)),
        ConfigurationKey("chain.signer", \.chain.signer, .optional(.http)),
        ConfigurationKey("chain.address", \.chain.address, .optional(.account, else: "the key's")),
        ConfigurationKey("chain.id", \.chain.id, .optional(.number(1...UInt64.max), else: "the node's")),
        ConfigurationKey("chain.confirmations", \.chain.confirmations, .number(0...1000)),
        ConfigurationKey("chain.in-flight", \.chain.inFlight, .number(1...1000)),
        ConfigurationKey("chain.fee-ceiling", \.chain.feeCeiling, .gasPrice),
        ConfigurationKey(
            "chain.certificate-authority", \.chain.certificateAuthority, .optional(.path, else: "the system's")),
        ConfigurationKey(secret: "metascheduler.private-key", instead: noKeyHere),
        ConfigurationKey(secret: "chain.private-key", instead: noKeyHere),
        ConfigurationKey(secret: "chain.key", instead: noKeyHere),
        ConfigurationKey(
            secret: "chain.key-password",
            instead:
                "a password does not belong here: put it into a file of mode 0600, named with chain.key-password-file"),
    ]
}
