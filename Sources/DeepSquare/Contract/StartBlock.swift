// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum

/// Finds blocks by their time.
enum StartBlock {
    static func head(_ client: RPCClient) async throws(GridError) -> BlockHeader {
        try await header(.string("latest"), client)
    }

    /// The first block at or after a time (Unix seconds).
    static func first(since time: UInt64, head: BlockHeader, client: RPCClient) async throws(GridError) -> UInt64 {
        var low: UInt64 = 0
        var high = head.number
        while low < high {
            let middle = low + (high - low) / 2
            if try await header(.string(Quantity.encode(middle)), client).timestamp < time {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }

    static func time(of block: UInt64, _ client: RPCClient) async throws(GridError) -> UInt64 {
        try await header(.string(Quantity.encode(block)), client).timestamp
    }

    /// Times of some blocks, in one request; those that the node does not tell are left out. Throws when no node answers.
    static func times(of blocks: Set<UInt64>, _ client: RPCClient) async throws(GridError) -> [UInt64: UInt64] {
        guard !blocks.isEmpty else { return [:] }
        let calls = blocks.map { RPCCall("eth_getBlockByNumber", [.string(Quantity.encode($0)), .bool(false)]) }
        let answers: RPCClient.Answers
        do throws(RPCError) {
            answers = try await client.batch(calls)
        } catch {
            throw GridError(.unavailable, "the chain: \(error)")
        }
        var times: [UInt64: UInt64] = [:]
        for result in answers.results {
            if let header = try? BlockHeader(result.get()) { times[header.number] = header.timestamp }
        }
        return times
    }

    private static func header(_ tag: JSONValue, _ client: RPCClient) async throws(GridError) -> BlockHeader {
        do throws(RPCError) {
            return try BlockHeader(try await client.call("eth_getBlockByNumber", [tag, .bool(false)]))
        } catch {
            throw GridError(.unavailable, "the chain: \(error)")
        }
    }
}
