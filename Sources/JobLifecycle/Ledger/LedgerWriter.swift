// SPDX-License-Identifier: GPL-3.0-or-later

internal import Dispatch
internal import GRDB
internal import NIOConcurrencyHelpers

/// Runs what is handed to it in transactions, as many pieces in one as have come meanwhile.
final class LedgerWriter: Sendable {
    private struct Piece: Sendable {
        var run: @Sendable (Database) -> Void
        /// Tells the caller, after the commit (nil) or its failure.
        var finish: @Sendable ((any Error)?) -> Void
    }

    private struct State {
        var waiting: [Piece] = []
        var scheduled = false
    }

    private let pool: DatabasePool
    private let state = NIOLockedValueBox(State())
    private let queue = DispatchQueue(label: "ledger-writer")
    /// A transaction that grows without end would make its first caller wait without end.
    private static let piecesPerCommit = 256

    init(_ pool: DatabasePool) {
        self.pool = pool
    }

    /// Returns after the commit. `body` runs on the writer's thread, in a savepoint of its own: when it throws, only it
    /// is undone.
    func write<Answer: Sendable>(_ body: @escaping @Sendable (Database) throws -> Answer) async throws -> Answer {
        try await withCheckedThrowingContinuation { continuation in
            let answer = NIOLockedValueBox<Result<Answer, any Error>?>(nil)
            let piece = Piece(
                run: { database in
                    let result = Result { try Self.inSavepoint(database, body) }
                    answer.withLockedValue { $0 = result }
                },
                finish: { failure in
                    let result = answer.withLockedValue { $0 }
                    if let failure {
                        continuation.resume(throwing: failure)
                    } else if let result {
                        continuation.resume(with: result)
                    } else {
                        continuation.resume(throwing: LedgerError(.failed, "the ledger left out a transaction"))
                    }
                })
            let begin = state.withLockedValue { state in
                state.waiting.append(piece)
                defer { state.scheduled = true }
                return !state.scheduled
            }
            if begin { queue.async { self.drain() } }
        }
    }

    /// Pieces that no transaction has taken yet.
    var waitingPieces: Int { state.withLockedValue { $0.waiting.count } }

    /// Waits until all that has been handed over is written.
    func finish() {
        queue.sync {}
    }

    private static func inSavepoint<Answer>(_ database: Database, _ body: (Database) throws -> Answer) throws -> Answer
    {
        var answer: Answer?
        try database.inSavepoint {
            answer = try body(database)
            return .commit
        }
        guard let answer else { throw LedgerError(.failed, "the ledger left out a transaction") }
        return answer
    }

    private func drain() {
        while true {
            let pieces = state.withLockedValue { state -> [Piece] in
                let taken = Array(state.waiting.prefix(Self.piecesPerCommit))
                state.waiting.removeFirst(taken.count)
                if taken.isEmpty { state.scheduled = false }
                return taken
            }
            if pieces.isEmpty { return }
            var failure: (any Error)?
            do {
                try pool.writeWithoutTransaction { try Self.commit(pieces, $0) }
            } catch {
                failure = error
            }
            pieces.forEach { $0.finish(failure) }
        }
    }

    private static func commit(_ pieces: [Piece], _ database: Database) throws {
        try database.inTransaction(.immediate) {
            for piece in pieces {
                piece.run(database)
                // On a full disk SQLite undoes all of the transaction by itself; what came after would be on its own.
                guard database.isInsideTransaction else {
                    throw LedgerError(.full, "the ledger could not be written: make room on its file system")
                }
            }
            return .commit
        }
    }
}
