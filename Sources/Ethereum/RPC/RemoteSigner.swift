// SPDX-License-Identifier: GPL-3.0-or-later

internal import BigInt

/// Signs with a key that another process holds, as web3signer and clef serve it: `eth_signTransaction` and `eth_sign`.
/// What it answers is used only when it is exactly what was asked, signed by the account.
public struct RemoteSigner: TransactionSigner {
    public let address: Address
    private let client: RemoteCalls

    /// One request to one address, without fail-over: a second signer is a second key.
    private struct RemoteCalls: Sendable {
        let endpoint: RPCEndpoint
        let transport: any RPCTransport
        let timeout: Duration

        func call(_ method: String, _ parameters: [JSONValue]) async throws(KeyError) -> JSONValue {
            do throws(RPCError) {
                let body = try await transport.post(
                    RPCCodec.encode([RPCCall(method, parameters)], firstID: 1), to: endpoint, timeout: timeout,
                    answerLimit: 1 << 20)
                return try RPCCodec.decode(body, count: 1, firstID: 1)[0].get()
            } catch {
                throw KeyError(.failed, "the remote signer at \(endpoint): \(error)")
            }
        }
    }

    public init(
        endpoint: RPCEndpoint, address: Address, transport: any RPCTransport, timeout: Duration = .seconds(5)
    ) {
        self.address = address
        client = RemoteCalls(endpoint: endpoint, transport: transport, timeout: timeout)
    }

    public func sign(_ transaction: UnsignedTransaction) async throws(KeyError) -> SignedTransaction {
        var fields: [String: JSONValue] = [
            "from": .string(address.hex), "to": .string(transaction.recipient.hex),
            "gas": .string(Quantity.encode(transaction.gasLimit)), "value": .string(Quantity.encode(transaction.value)),
            "nonce": .string(Quantity.encode(transaction.nonce)), "data": .string(Hex.data(transaction.data)),
            "chainId": .string(Quantity.encode(transaction.chainID)),
        ]
        switch transaction.fee {
        case .legacy(let price):
            fields["gasPrice"] = .string(Quantity.encode(price))
        case .dynamic(let tip, let cap):
            fields["maxPriorityFeePerGas"] = .string(Quantity.encode(tip))
            fields["maxFeePerGas"] = .string(Quantity.encode(cap))
        }
        let answer = try await client.call("eth_signTransaction", [.object(fields)])
        // web3signer answers with the bytes, clef and geth with an object that holds them.
        guard let text = answer.text ?? answer["raw"]?.text, let raw = Hex.decode(text),
            let signed = try? SignedTransaction(decoding: raw)
        else { throw KeyError(.wrongAnswer, "the remote signer gives no transaction") }
        guard signed.unsigned == transaction else {
            throw KeyError(
                .wrongAnswer, "the remote signer signed something else than it was asked to; nothing was sent")
        }
        guard signed.signature.hasLowS, signed.sender == address else {
            throw KeyError(.wrongAnswer, "the remote signer signed with another key than that of \(address)")
        }
        return signed
    }

    public func sign(message: [UInt8]) async throws(KeyError) -> Signature {
        let answer = try await client.call("eth_sign", [.string(address.hex), .string(Hex.data(message))])
        guard let signature = answer.text.flatMap({ Hex.decode($0) }).flatMap(Signature.init(bytes:)) else {
            throw KeyError(.wrongAnswer, "the remote signer gives no signature")
        }
        guard signature.hasLowS, signature.signer(of: PersonalMessage.hash(message)) == address else {
            throw KeyError(.wrongAnswer, "the remote signer signed with another key than that of \(address)")
        }
        return signature
    }
}
