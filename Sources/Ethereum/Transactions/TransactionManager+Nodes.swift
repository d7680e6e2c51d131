// SPDX-License-Identifier: GPL-3.0-or-later

internal import Support

/// What it asks of nodes between two polls.
extension TransactionManager {
    func broadcast(_ transaction: SignedTransaction, toAll: Bool) async {
        let call = RPCCall("eth_sendRawTransaction", [.string(Hex.data(transaction.raw))])
        var answer: Result<Void, RPCError> = .failure(RPCError(.unreachable, "no node was asked"))
        for (position, node) in client.order().enumerated() {
            do throws(RPCError) {
                let results = try await client.batch([call], at: node).results
                if position == 0 || answer.failure?.isRefusal == false { answer = results[0].map { _ in () } }
                if !toAll { break }
            } catch {
                if position == 0 { answer = .failure(error) }
            }
        }
        machine.answered(transaction.hash, answer, at: now())
        if waitsIdle { wake.raise() }
        await drive()
    }

    func estimate(_ intent: TransactionIntent) async {
        let call: [String: JSONValue] = [
            "from": .string(machine.address.hex), "to": .string(intent.recipient.hex),
            "value": .string(Quantity.encode(intent.value)), "data": .string(Hex.data(intent.data)),
        ]
        // To a node that lags behind the contract's creation, or has lost its state, the call costs next to nothing.
        let code = RPCCall("eth_getCode", [.string(intent.recipient.hex), .string("latest")])
        let answers = try? await client.batch([RPCCall("eth_estimateGas", [.object(call)]), code])
        let estimate = (try? answers?.value(0))?.text.flatMap(Quantity.decode64)
        let seesContract = (try? answers?.value(1))?.text.flatMap { Hex.decode($0) }?.isEmpty == false
        machine.estimated(intent, intent.data.isEmpty || seesContract ? estimate : nil)
        await drive()
    }
}
