// SPDX-License-Identifier: GPL-3.0-or-later

internal import Logging

/// What the feed asks, and what it makes of the answers.
extension LogFeed {
    /// What a node said of its newest block.
    private struct Tip {
        var node: Int
        var newest: BlockHeader
        /// The block behind the cursor, where that was asked for.
        var next: BlockHeader?
    }

    /// - Returns: whether there may be more at once.
    func step() async throws -> Bool {
        var cursor = try await restored()
        client.need(cursor.position.number)
        let tip = try await tip(cursor)
        let isNew = tip.newest.number > head
        head = tip.newest.number
        if isNew, mayHold(tip.newest) { touched() }
        do {
            return try await take(tip, &cursor)
        } catch let error as RPCError {
            // It answered, and not what it must: another node may.
            if error.isAnswer { client.doubt(tip.node, "\(error)") }
            throw error
        }
    }

    private func take(_ tip: Tip, _ cursor: inout LogCursor) async throws -> Bool {
        let span = client.range(tip.node)
        switch cursor.next(head: tip.newest.number, atPosition: cursor.hash(atPositionOf: tip.newest), span: span) {
        case .upToDate:
            progressed()
            // A node that lacks our block is behind us.
            if tip.newest.number >= cursor.position.number { caughtUp() }
            return false
        case .range(let blocks):
            return try await read(blocks, &cursor, node: tip.node)
        case .blocks(let blocks):
            var known = [tip.newest]
            if let next = tip.next { known.append(next) }
            return try await readByHash(blocks, &cursor, node: tip.node, known: known)
        case .walkBack:
            return try await walkBack(&cursor, node: tip.node)
        }
    }

    private func caughtUp() {
        guard !hasCaughtUp else { return }
        hasCaughtUp = true
        news()
    }

    func mayHold(_ header: BlockHeader) -> Bool {
        distrustsBlooms || header.mayHold(logsOf: filter.contracts)
    }

    private func restored() async throws -> LogCursor {
        if let cursor { return cursor }
        let position: BlockReference
        if let known = try await store.cursor(name) {
            position = known
        } else {
            let tag = settings.firstBlock.map { JSONValue.string(Quantity.encode($0 > 0 ? $0 - 1 : 0)) }
            let answer = try await client.call("eth_getBlockByNumber", [tag ?? .string("latest"), .bool(false)])
            position = try BlockHeader(answer).reference
            try await store.setCursor(name, position)
        }
        let fresh = LogCursor(.init(confirmations: settings.confirmations), position: position)
        cursor = fresh
        return fresh
    }

    /// The newest block of the first node that has ours, in one request with what is most probably read next.
    private func tip(_ cursor: LogCursor) async throws(RPCError) -> Tip {
        var calls = [RPCClient.latest]
        if settings.confirmations > 0 { calls.append(RPCClient.header(cursor.position.number + 1)) }
        var behind: Tip?
        var last = RPCError(.refused(.rateLimited), "every node has asked for a pause")
        let isFar = head > cursor.position.number && head - cursor.position.number > 64
        for node in client.order(byRange: isFar) {
            do throws(RPCError) {
                let askedAt = client.now()
                let answers = try await client.batch(calls, at: node)
                let newest: BlockHeader
                do throws(RPCError) {
                    newest = try BlockHeader(answers.value(0))
                } catch {
                    client.doubt(node, "\(error)")
                    throw error
                }
                client.observe(newest.number, of: node, askedAt: askedAt)
                let next = calls.count > 1 ? try? BlockHeader(answers.value(1)) : nil
                let tip = Tip(node: node, newest: newest, next: next)
                if newest.number >= cursor.position.number { return tip }
                behind = behind ?? tip
            } catch {
                last = error
            }
        }
        guard let behind else { throw last }
        return behind
    }

    // MARK: by number

    private func read(_ blocks: ClosedRange<UInt64>, _ cursor: inout LogCursor, node: Int) async throws -> Bool {
        // One that lacks the end of what it has told of is not limited, but wrong.
        let end = try BlockHeader(await client.batch([RPCClient.header(blocks.upperBound)], at: node).value(0))
        let found: (logs: [ChainLog], first: BlockHeader?, end: BlockHeader?)
        do throws(RPCError) {
            found = try await logs(blocks, node)
        } catch {
            // Whatever its words: too many blocks, too many logs, too large an answer, too slow. Fewer may do, or another
            // node.
            guard error.isAnswer, blocks.count > 1, !client.isShut(node) else { throw error }
            client.rangeRefused(node, blocks: UInt64(blocks.count))
            logger.debug(
                "a node gives no logs of so many blocks", metadata: ["count": "\(blocks.count)", "why": "\(error)"])
            return true
        }
        client.rangeTaken(node)
        let verdict = cursor.judge(expectedEnd: end.hash, first: found.first, end: found.end)
        return try await conclude(verdict, found.logs, &cursor, node: node, isNewest: false)
    }

    private func logs(
        _ blocks: ClosedRange<UInt64>, _ node: Int
    ) async throws(RPCError) -> (logs: [ChainLog], first: BlockHeader?, end: BlockHeader?) {
        let calls = [
            filter.call(blocks), RPCClient.header(blocks.lowerBound), RPCClient.header(blocks.upperBound),
        ]
        let answers = try await client.batch(calls, at: node)
        let logs = try await ChainLog.readAllAside(answers.value(0))
        guard logs.allSatisfy({ blocks.contains($0.block.number) }) else {
            throw RPCError(.malformed, "logs of other blocks than were asked for")
        }
        return (logs, try? BlockHeader(answers.value(1)), try? BlockHeader(answers.value(2)))
    }

    // MARK: by hash

    /// - Parameter known: headers that this node has just given.
    private func readByHash(
        _ blocks: ClosedRange<UInt64>, _ cursor: inout LogCursor, node: Int, known: [BlockHeader]
    ) async throws -> Bool {
        var headers = known.filter { $0.number == blocks.lowerBound }
        if headers.isEmpty || blocks.count > 1 {
            let answers = try await client.batch(blocks.map(RPCClient.header), at: node)
            // What the node does not have yet comes later.
            headers = answers.results.prefix { (try? $0.get().isNull) == false }.compactMap {
                try? BlockHeader($0.get())
            }
        } else {
            headers = Array(headers.prefix(1))
        }
        let verdict = cursor.judge(headers)
        guard case .commit = verdict else {
            return try await conclude(verdict, [], &cursor, node: node, isNewest: false)
        }
        let wanted = headers.filter(mayHold)
        passedOver = (passedOver + headers.filter { !mayHold($0) }.map(\.hash)).suffix(256)
        var logs: [ChainLog] = []
        if !wanted.isEmpty {
            touched()
            logs = try await self.logs(ofBlocks: wanted, node)
        }
        return try await conclude(
            verdict, logs, &cursor, node: node, isNewest: headers.last?.number == cursor.end(head: head))
    }

    private func logs(ofBlocks headers: [BlockHeader], _ node: Int) async throws -> [ChainLog] {
        if client.takesBlockHash(node) {
            let found = try await client.batch(headers.map { filter.call(block: $0.hash) }, at: node)
            var logs: [ChainLog] = []
            var refusal: RPCError?
            for (header, result) in zip(headers, found.results) {
                do throws(RPCError) {
                    logs += try Self.only(header, await ChainLog.readAllAside(result.get()))
                } catch {
                    refusal = error
                }
            }
            guard let refusal else { return logs }
            guard refusal.refusal != nil else { throw refusal }
        }
        // Some nodes take only numbers: then the block must have its hash before and after.
        var logs: [ChainLog] = []
        for header in headers {
            let call = RPCClient.header(header.number)
            let answers = try await client.batch([call, filter.call(header.number...header.number), call], at: node)
            for index in [0, 2] {
                guard try BlockHeader(answers.value(index)).hash == header.hash else {
                    throw RPCError(.malformed, "block \(header.number) was replaced while it was read")
                }
            }
            logs += try Self.only(header, await ChainLog.readAllAside(answers.value(1)))
        }
        client.refusesBlockHash(node)
        return logs
    }

    private static func only(_ header: BlockHeader, _ logs: [ChainLog]) throws(RPCError) -> [ChainLog] {
        guard logs.allSatisfy({ $0.block == header.reference }) else {
            throw RPCError(.malformed, "logs of another block than was asked for")
        }
        return logs
    }

    // MARK: what becomes of it

    private func conclude(
        _ verdict: LogCursor.Verdict, _ logs: [ChainLog], _ cursor: inout LogCursor, node: Int, isNewest: Bool
    ) async throws -> Bool {
        switch verdict {
        case .doubt:
            throw RPCError(.malformed, "\(client.endpoints[node]): does not have the blocks that it told of")
        case .walkBack:
            return try await walkBack(&cursor, node: node)
        case .commit(let end):
            let placed = filter.placed(logs)
            let fresh = try await store.takeLogs(name, placed, cursor: end)
            cursor.advance(to: end)
            self.cursor = cursor
            client.trust(node)
            progressed()
            if !placed.isEmpty { touched() }
            if fresh > 0 { news() }
            if end.number % 256 == 0 || logs.count > 256 {
                try await store.pruneLogs(name, below: end.number > settings.memory ? end.number - settings.memory : 0)
            }
            if isNewest { caughtUp() }
            return !isNewest
        }
    }

    /// Finds the newest block that was read and still is the chain's, and reads on from there: what comes again is known.
    private func walkBack(_ cursor: inout LogCursor, node: Int) async throws -> Bool {
        let taken = try await store.checkpoints(name)
        var ancestor: BlockReference?
        for part in stride(from: 0, to: taken.count, by: 64) where ancestor == nil {
            let slice = Array(taken[part..<min(part + 64, taken.count)])
            let answers = try await client.batch(slice.map { RPCClient.header($0.number) }, at: node)
            var canonical: [UInt64: Hash32] = [:]
            for result in answers.results {
                if let header = try? BlockHeader(result.get()) { canonical[header.number] = header.hash }
            }
            ancestor = LogCursor.ancestor(slice, canonical: canonical)
        }
        guard let ancestor else {
            if !isLost {
                logger.error(
                    "the log feed cannot go on: the node is on another chain than was read so far",
                    metadata: ["feed": "\(name)", "node": "\(client.endpoints[node])"])
            }
            isLost = true
            throw RPCError(
                .malformed,
                "none of the \(taken.count) blocks that were read last is on the chain of \(client.endpoints[node])")
        }
        isLost = false
        guard ancestor != cursor.position else {
            throw RPCError(.malformed, "\(client.endpoints[node]): its next block does not continue ours, which it has")
        }
        logger.notice(
            "the chain was reorganised",
            metadata: ["feed": "\(name)", "from": "\(cursor.position.number)", "to": "\(ancestor.number)"])
        try await store.rewind(name, to: ancestor)
        cursor.goBack(to: ancestor)
        self.cursor = cursor
        return true
    }
}

extension ChainLog {
    /// Of many logs on a thread of its own.
    static func readAllAside(_ json: JSONValue) async throws(RPCError) -> [ChainLog] {
        guard (json.array?.count ?? 0) > 64 else { return try readAll(json) }
        return try await AnswerThread.run { () throws(RPCError) in try readAll(json) }
    }
}
