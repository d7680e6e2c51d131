// SPDX-License-Identifier: GPL-3.0-or-later

internal import BigInt
internal import Logging

extension TransactionManager {
    /// Calls in one batch: nodes have limits.
    private static let batchLimit = 64
    private static let batchesPerSearch = 32

    /// Asks one node where the chain is, and the same one for receipts.
    func poll() async {
        do throws(RPCError) {
            let askedAt = ContinuousClock.now
            let account = JSONValue.string(machine.address.hex), latest = JSONValue.string("latest")
            let answers = try await client.batch([
                RPCCall("eth_getBlockByNumber", [latest, .bool(false)]),
                RPCCall("eth_getTransactionCount", [account, latest]),
                RPCCall("eth_getBalance", [account, latest]),
                RPCCall("eth_gasPrice"),
                RPCCall("eth_maxPriorityFeePerGas"),
            ])
            let view = try view(answers)
            client.observe(view.head.number, of: answers.node, askedAt: askedAt)
            machine.observe(view, at: now())
            try await askReceipts(node: answers.node)
            for search in machine.takeSearches(at: now()) {
                let (occupants, downTo) = try await find(search, node: answers.node)
                if search.isOfCount {
                    machine.foundAboveOurs(occupants, downTo: downTo, at: now())
                } else {
                    let nonce = search.nonces.lowerBound
                    machine.found(nonce, occupants[nonce], downTo: downTo, at: now())
                }
            }
        } catch {
            logger.debug("no news from the chain", metadata: ["why": "\(error)"])
        }
        await lookUpGap()
    }

    /// What is on the disk for nonces that the chain waits for.
    private func lookUpGap() async {
        for nonce in machine.gapQuestions() {
            do throws(ChainStoreError) {
                let settled = try await store.settled(nonce: nonce)
                machine.gapAnswer(nonce, settled, at: now())
                logger.warning(
                    "the chain has lost a nonce",
                    metadata: [
                        "nonce": "\(nonce)", "transaction_key": "\(settled?.intent.intent.key ?? "")",
                        "what": settled == nil ? "it is filled" : "its transaction is sent again",
                    ])
            } catch {
                // Asked again with the next poll.
                if error.code == .closed { return }
                logger.warning("the chain's ledger cannot be read", metadata: ["why": "\(error)"])
                return
            }
        }
    }

    private func view(_ answers: RPCClient.Answers) throws(RPCError) -> ChainView {
        func number(_ index: Int) throws(RPCError) -> BigUInt { try JSONReader.quantity(answers.value(index)) }
        let head = try BlockHeader(answers.value(0))
        guard let count = try answers.value(1).text.flatMap(Quantity.decode53) else {
            throw RPCError(.malformed, "the count of transactions is not a number below 2^53")
        }
        // Old and small nodes do not know the one method, some chains with base fees not the other.
        let base = head.baseFee ?? 0
        let suggested = try? number(4)
        let price =
            try head.baseFee == nil || suggested == nil ? number(3) : (try? number(3)) ?? base + (suggested ?? 0)
        let tip = suggested ?? (price > base ? price - base : 0)
        return ChainView(
            head: head, count: count, market: FeeMarket(baseFee: head.baseFee, tip: tip, gasPrice: price),
            balance: try number(2))
    }

    private func askReceipts(node: Int) async throws(RPCError) {
        let watches = machine.watches
        var rest = watches[...]
        while !rest.isEmpty {
            let part = rest.prefix(Self.batchLimit / 2)
            rest = rest.dropFirst(part.count)
            var calls: [RPCCall] = []
            for watch in part {
                calls.append(RPCCall("eth_getTransactionReceipt", [.string("\(watch.hash)")]))
                if let block = watch.block {
                    calls.append(RPCCall("eth_getBlockByNumber", [.string(Quantity.encode(block)), .bool(false)]))
                }
            }
            let answers = try await client.batch(calls, at: node)
            var index = 0
            for watch in part {
                let receipt = try? TransactionReceipt.read(answers.value(index))
                index += 1
                var canonical: Hash32?
                if watch.block != nil {
                    canonical = try? BlockHeader(answers.value(index)).hash
                    index += 1
                }
                if let receipt, receipt.transaction == watch.hash {
                    let sameBlock = receipt.block.number == watch.block
                    machine.received(receipt, canonical: sameBlock ? canonical : nil, at: now())
                } else if watch.block != nil {
                    machine.lostReceipt(watch.hash, canonical: canonical, at: now())
                }
            }
        }
    }

    /// Reads blocks, the newest first, until transactions of ours with all of these nonces are found, or there were many.
    /// - Returns: what was found, and the lowest block that was read.
    private func find(
        _ search: NonceSearch, node: Int
    ) async throws(RPCError) -> (occupants: [UInt64: NonceOccupant], downTo: UInt64) {
        let blocks = search.blocks
        var occupants: [UInt64: NonceOccupant] = [:]
        var next = blocks.upperBound
        var lowest = next
        for _ in 0..<Self.batchesPerSearch {
            lowest = next - min(7, next - blocks.lowerBound)
            let calls = (lowest...next).map { number in
                RPCCall("eth_getBlockByNumber", [.string(Quantity.encode(number)), .bool(true)])
            }
            let answers = try await client.batch(calls, at: node)
            for (offset, result) in answers.results.enumerated() {
                for transaction in try result.get()["transactions"]?.array ?? []
                where transaction["from"]?.text?.lowercased() == machine.address.hex {
                    if let nonce = transaction["nonce"]?.text.flatMap(Quantity.decode64), search.nonces.contains(nonce),
                        let hash = transaction["hash"]?.text.flatMap({ Hash32(hex: $0) })
                    {
                        occupants[nonce] = NonceOccupant(hash: hash, block: lowest + UInt64(offset))
                    }
                }
            }
            // The highest one says that all below it are used.
            guard lowest > blocks.lowerBound, occupants.isEmpty else { break }
            next = lowest - 1
        }
        return (occupants, lowest)
    }
}
