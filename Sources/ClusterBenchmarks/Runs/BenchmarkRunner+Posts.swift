// SPDX-License-Identifier: GPL-3.0-or-later

extension BenchmarkRunner {
    /// Of the run that is under way; nil: it is another one, or none.
    nonisolated func secret(ofRun run: Int64) async throws(BenchmarkError) -> String? {
        try await file.secret(ofRun: run)
    }

    /// What a job of the run posts, whose secret it has shown.
    nonisolated func receive(
        _ text: String, _ target: ResultPost.Target, secret: String
    ) async throws(BenchmarkError) -> ResultPost.Answer {
        let blocks = ResultBlocks(text, token: secret)
        let (posted, part) = try await file.take(blocks.contents, run: target.run, number: target.number)
        switch posted {
        case .over: return .over
        case .full: return .full
        case .taken(let new, let known):
            if let part, let last = PartProgress.last(in: text, token: secret) { board.note(last, of: part) }
            return .taken(new, known: known, broken: blocks.broken)
        }
    }

    nonisolated func count(_ kind: PostCounts.Kind) { posts.withLockedValue { $0.add(kind) } }

    /// Since the start of the agent.
    public nonisolated var postCounts: PostCounts { posts.withLockedValue { $0 } }
}
