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

    private static func header(_ tag: JSONValue, _ client: RPCClient) async throws(GridError) -> BlockHeader {
        do throws(RPCError) {
            return try BlockHeader(try await client.call("eth_getBlockByNumber", [tag, .bool(false)]))
        } catch {
            throw GridError(.unavailable, "the chain: \(error)")
        }
    }
}
