// SPDX-License-Identifier: GPL-3.0-or-later

internal import BigInt
internal import Ethereum
internal import FoundationEssentials

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

    static let listKeys: Set<String> = ["metascheduler.endpoint.rpc"]
    static let keyVariable = "ETH_PRIVATE_KEY"

    typealias Setter = @Sendable (inout ChainSettings, String) throws -> Void

    static let setters: [String: Setter] = [
        "metascheduler.endpoint.rpc": { $0.nodes = try endpoints($1) },
        "metascheduler.endpoint.ws": { $0.webSocket = $1.isEmpty ? nil : try RPCEndpoint(webSocket: $1) },
        "metascheduler.private-key": { _, _ in
            throw AgentConfiguration.Problem(
                description: "a key does not belong into this file: put it into one of mode 0600 and name that with "
                    + "chain.key-file (`slurm-grid-agent key import` does it)")
        },
        "chain.key-file": { $0.keyFile = try AgentConfiguration.path($1) },
        "chain.key-credential": { $0.keyCredential = $1 },
        "chain.key-password-file": { $0.keyPasswordFile = try AgentConfiguration.path($1) },
        "chain.signer": { $0.signer = try RPCEndpoint(http: $1) },
        "metascheduler.smart-contract": { $0.contract = try account($1) },
        "chain.address": { $0.address = try account($1) },
        "chain.id": { $0.id = try number($1, 1...UInt64.max) },
        "chain.confirmations": { $0.confirmations = try number($1, 0...1000) },
        "chain.in-flight": { $0.inFlight = Int(try number($1, 1...1000)) },
        "chain.fee-ceiling": { $0.feeCeiling = try wei($1) },
        "chain.certificate-authority": { $0.certificateAuthority = try AgentConfiguration.path($1) },
    ]

    var effective: [(key: String, value: String)] {
        [
            ("metascheduler.endpoint.rpc", nodes.isEmpty ? "off" : nodes.map(\.description).joined(separator: ", ")),
            ("metascheduler.endpoint.ws", webSocket?.description ?? "off"),
            ("metascheduler.smart-contract", contract?.checksummed ?? "off"),
            ("chain.key-file", keyFile ?? "off"), ("chain.key-credential", keyCredential ?? "off"),
            ("chain.key-password-file", keyPasswordFile ?? "off"), ("chain.signer", signer?.description ?? "off"),
            ("chain.address", address?.checksummed ?? "the key's"), ("chain.id", id.map(String.init) ?? "the node's"),
            ("chain.confirmations", "\(confirmations)"), ("chain.in-flight", "\(inFlight)"),
            ("chain.fee-ceiling", "\(feeCeiling)"),
            ("chain.certificate-authority", certificateAuthority ?? "the system's"),
        ]
    }

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

    private static func endpoints(_ text: String) throws -> [RPCEndpoint] {
        try text.split(separator: ",").map { try RPCEndpoint(http: String($0.filter { !$0.isWhitespace })) }
    }

    private static func account(_ text: String) throws -> Address {
        guard let address = Address(hex: text) else {
            throw AgentConfiguration.Problem(description: "\"\(text)\" is no address, or its checksum is wrong")
        }
        return address
    }

    private static func number(_ text: String, _ range: ClosedRange<UInt64>) throws -> UInt64 {
        guard let number = UInt64(text), range.contains(number) else {
            throw AgentConfiguration.Problem(
                description: "\"\(text)\" is no number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// `25gwei`, or wei.
    static func wei(_ text: String) throws -> BigUInt {
        let isGwei = text.hasSuffix("gwei")
        let digits = isGwei ? text.dropLast(4) : Substring(text)
        guard digits.count <= 40, digits.allSatisfy({ $0.isASCII && $0.isNumber }), let number = BigUInt(digits),
            number > 0
        else { throw AgentConfiguration.Problem(description: "\"\(text)\" is no amount such as 25gwei or 25000000000") }
        return isGwei ? number * 1_000_000_000 : number
    }
}
