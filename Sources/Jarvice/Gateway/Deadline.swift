// SPDX-License-Identifier: GPL-3.0-or-later

/// In time or not at all: upstream asks again.
enum Deadline {
    /// Goes on when the answer comes, and at the latest after `limit`, whatever becomes of what was asked.
    static func within<Value: Sendable>(
        _ limit: Duration, _ what: String, _ body: @escaping @Sendable () async -> Result<Value, JarviceError>
    ) async throws(JarviceError) -> Value {
        let (stream, continuation) = AsyncStream.makeStream(of: Result<Value, JarviceError>.self)
        let work = Task {
            continuation.yield(await body())
            continuation.finish()
        }
        let timer = Task {
            try? await Task.sleep(for: limit)
            continuation.yield(.failure(passed(limit, what)))
            continuation.finish()
        }
        defer {
            work.cancel()
            timer.cancel()
        }
        var answers = stream.makeAsyncIterator()
        guard let first = await answers.next() else { throw JarviceError(.unavailable, "the call was cancelled") }
        return try first.get()
    }

    static func passed(_ limit: Duration, _ what: String) -> JarviceError {
        JarviceError(.unavailable, "\(what) does not answer within \(limit)")
    }
}
