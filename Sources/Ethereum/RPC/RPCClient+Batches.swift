// SPDX-License-Identifier: GPL-3.0-or-later

internal import Logging
internal import NIOConcurrencyHelpers
internal import NIOPosix

/// Batches, as large as a node takes them.
extension RPCClient {
    /// - Returns: one result for each call, of as many requests as the node needs.
    func ask(_ calls: [RPCCall], _ node: Int) async throws(RPCError) -> [Result<JSONValue, RPCError>] {
        let limit = state.withLockedValue { $0.table.batchLimit(node, at: now()) }
        guard calls.count > limit else {
            do throws(RPCError) {
                return try await post(calls, node)
            } catch {
                guard Self.mayTakeLess(error, calls.count) else { throw error }
                return try await askInParts(calls, node, of: max(1, calls.count / 2), isNew: true)
            }
        }
        return try await askInParts(calls, node, of: limit, isNew: false)
    }

    /// - Parameter isNew: the size is a guess, to be remembered once it has worked.
    private func askInParts(
        _ calls: [RPCCall], _ node: Int, of size: Int, isNew: Bool
    ) async throws(RPCError) -> [Result<JSONValue, RPCError>] {
        var size = size
        var isNew = isNew
        var results: [Result<JSONValue, RPCError>] = []
        var rest = calls[...]
        while !rest.isEmpty {
            let part = Array(rest.prefix(size))
            do throws(RPCError) {
                results += try await post(part, node)
            } catch {
                guard Self.mayTakeLess(error, part.count) else { throw error }
                size = max(1, part.count / 2)
                isNew = true
                continue
            }
            rest = rest.dropFirst(part.count)
            guard isNew else { continue }
            isNew = false
            state.withLockedValue { $0.table.limitBatches(node, to: size, at: now()) }
            logger.info(
                "a node takes smaller batches only", metadata: ["node": "\(endpoints[node])", "count": "\(size)"])
        }
        return results
    }

    /// Whether the node may answer fewer calls: it answered all of them with one error, whatever its words, or with a status
    /// that says something of the request.
    private static func mayTakeLess(_ error: RPCError, _ count: Int) -> Bool {
        guard count > 1 else { return false }
        return switch error.kind {
        case .refused: true
        case .http(let status):
            (400..<500).contains(status) && ![401, 403, 407, 408, 429].contains(status) || [500, 501].contains(status)
        // Many answers that are large together, such as blocks.
        case .tooLarge: count > 4
        default: false
        }
    }

    /// One request.
    private func post(_ calls: [RPCCall], _ node: Int) async throws(RPCError) -> [Result<JSONValue, RPCError>] {
        let firstID = state.withLockedValue { state in
            defer { state.nextID += Int64(calls.count) }
            state.traffic.requests += 1
            state.traffic.calls += UInt64(calls.count)
            return state.nextID
        }
        let body = try await transport.post(
            RPCCodec.encode(calls, firstID: firstID), to: endpoints[node], timeout: settings.timeout,
            answerLimit: settings.answerLimit)
        do throws(RPCError) {
            let results = try await Self.decode(body, calls.count, firstID)
            let given = results.compactMap { $0 }
            // geth answers the first call of a batch that is too large, others each call beyond their limit.
            guard given.count == calls.count, !given.contains(where: { $0.failure?.refusal == .batchTooLarge }) else {
                throw calls.count > 1
                    ? RPCError(.refused(.batchTooLarge), "answers \(given.count) of \(calls.count) calls")
                    : RPCError(.malformed, "does not answer the call")
            }
            return given
        } catch {
            throw RPCError(
                error.kind, "\(endpoints[node]): \(error.message)", code: error.code, retryAfter: error.retryAfter)
        }
    }

    /// Small answers where they are needed; of a large one reading takes time that others need for theirs.
    private static func decode(
        _ body: [UInt8], _ count: Int, _ firstID: Int64
    ) async throws(RPCError) -> [Result<JSONValue, RPCError>?] {
        guard body.count > AnswerThread.threshold else {
            return try RPCCodec.decodeSparse(body, count: count, firstID: firstID)
        }
        return try await AnswerThread.run { () throws(RPCError) in
            try RPCCodec.decodeSparse(body, count: count, firstID: firstID)
        }
    }
}

/// A thread of its own for what large answers take to be read: neither an event loop nor one of Swift's pool, on which the
/// plugins' events are waiting.
enum AnswerThread {
    /// Bytes of an answer that is large.
    static let threshold = 32 * 1024

    private static let pool: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
        return pool
    }()

    static func run<Value: Sendable, Failure: Error>(
        _ body: @escaping @Sendable () throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        let result: Result<Value, Failure> = await withCheckedContinuation { continuation in
            pool.submit { _ in
                continuation.resume(returning: Result(catching: body))
            }
        }
        return try result.get()
    }
}

extension Result {
    var failure: Failure? { if case .failure(let error) = self { error } else { nil } }
}
