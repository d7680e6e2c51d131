// SPDX-License-Identifier: GPL-3.0-or-later

/// Logs of past blocks for who is content with one node's word, such as a check: in ranges as large as the nodes take, the
/// newest first.
public struct LogSearch: Sendable {
    private let client: RPCClient
    private let filter: LogFilter

    public init(client: RPCClient, filter: LogFilter) {
        self.client = client
        self.filter = filter
    }

    public struct Found: Sendable {
        public var logs: [ChainLog] = []
        /// The lowest block that was asked for; above the wanted one when the requests did not suffice.
        public var from: UInt64
    }

    /// - Parameter requests: how many at most.
    public func logs(in blocks: ClosedRange<UInt64>, requests: Int) async throws(RPCError) -> Found {
        var found = Found(from: blocks.upperBound)
        var end = blocks.upperBound
        for _ in 0..<max(1, requests) {
            let (logs, start) = try await read(upTo: end, from: blocks.lowerBound)
            found.logs += logs
            found.from = start
            guard start > blocks.lowerBound else { break }
            end = start - 1
        }
        return found
    }

    /// One range that some node answers. Throws when no node gives a single block's.
    private func read(upTo end: UInt64, from lowest: UInt64) async throws(RPCError) -> (logs: [ChainLog], from: UInt64)
    {
        var tries: [Int: Int] = [:]
        var last = RPCError(.refused(.rateLimited), "every node has asked for a pause")
        // Halving to one block takes so many tries of each node.
        while let node = client.order(byRange: true).first(where: { tries[$0, default: 0] < 12 }) {
            tries[node, default: 0] += 1
            let count = min(client.range(node), end - lowest + 1)
            let start = end - (count - 1)
            do throws(RPCError) {
                let answer = try await client.batch([filter.call(start...end)], at: node).value(0)
                let logs = try await ChainLog.readAllAside(answer)
                client.rangeTaken(node)
                return (logs, start)
            } catch {
                last = error
                if error.isAnswer, count > 1 {
                    client.rangeRefused(node, blocks: count)
                } else {
                    tries[node] = .max
                }
            }
        }
        throw last
    }
}
