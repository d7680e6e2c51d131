// SPDX-License-Identifier: GPL-3.0-or-later

internal import Dispatch
internal import GRDB
internal import NIOConcurrencyHelpers

/// Runs what is handed to it in transactions, as many pieces in one as have come meanwhile.
final class LedgerWriter: Sendable {
    enum Lane: Sendable {
        /// May be the start of a job: comes into the transaction that is being filled, and ends it.
        case urgent
        case prompt
        /// Goes on when the others are done, and by one piece after every few transactions of theirs.
        case background
    }

    private struct Piece: Sendable {
        var run: @Sendable (Database) -> Void
        /// Tells the caller, after the commit (nil) or its failure.
        var finish: @Sendable ((any Error)?) -> Void
    }

    private struct State {
        var urgent = Line()
        var prompt = Line()
        var background = Line()
        /// Transactions since the background had one.
        var passed = 0
        var scheduled = false
    }

    /// Pieces in their order.
    private struct Line {
        private var pieces: [Piece] = []
        private var head = 0

        var count: Int { pieces.count - head }

        mutating func append(_ piece: Piece) { pieces.append(piece) }

        mutating func popFirst() -> Piece? {
            guard head < pieces.count else { return nil }
            defer {
                head += 1
                if head == pieces.count || head > 1024 {
                    pieces.removeFirst(head)
                    head = 0
                }
            }
            return pieces[head]
        }
    }

    private let pool: DatabasePool
    private let state = NIOLockedValueBox(State())
    private let queue = DispatchQueue(label: "ledger-writer")
    /// A transaction that grows without end would make its first caller wait without end.
    private static let piecesPerCommit = 256
    private static let promptTransactions = 8

    init(_ pool: DatabasePool) {
        self.pool = pool
    }

    /// Returns after the commit. `body` runs on the writer's thread, in a savepoint of its own: when it throws, only it
    /// is undone.
    /// - Parameter committed: called on the writer's thread once the commit is done, in the order of what was written.
    func write<Answer: Sendable>(
        _ lane: Lane = .prompt, committed: @escaping @Sendable (Answer) -> Void = { _ in },
        _ body: @escaping @Sendable (Database) throws -> Answer
    ) async throws -> Answer {
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
                        if case .success(let answer) = result { committed(answer) }
                        continuation.resume(with: result)
                    } else {
                        continuation.resume(throwing: LedgerError(.failed, "the ledger left out a transaction"))
                    }
                })
            let begin = state.withLockedValue { state in
                switch lane {
                case .urgent: state.urgent.append(piece)
                case .prompt: state.prompt.append(piece)
                case .background: state.background.append(piece)
                }
                defer { state.scheduled = true }
                return !state.scheduled
            }
            if begin { queue.async { self.drain() } }
        }
    }

    /// Pieces that no transaction has taken yet.
    var waitingPieces: Int {
        state.withLockedValue { $0.urgent.count + $0.prompt.count + $0.background.count }
    }

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
        while let first = first() {
            var pieces = [first.piece]
            var failure: (any Error)?
            do {
                try pool.writeWithoutTransaction { try commit(&pieces, isUrgent: first.isUrgent, $0) }
            } catch {
                failure = error
            }
            pieces.forEach { $0.finish(failure) }
        }
    }

    /// What the next transaction begins with.
    private func first() -> (piece: Piece, isUrgent: Bool)? {
        state.withLockedValue { state in
            if let piece = state.urgent.popFirst() { return (piece, true) }
            let isTurn = state.background.count > 0 && state.passed >= Self.promptTransactions
            if !isTurn, let piece = state.prompt.popFirst() {
                state.passed += 1
                return (piece, false)
            }
            // Each has a transaction to itself, if nothing comes while it runs.
            state.passed = 0
            if let piece = state.background.popFirst() { return (piece, false) }
            state.scheduled = false
            return nil
        }
    }

    /// What comes into the transaction under way; nil ends it.
    private func next(afterUrgent: Bool) -> (piece: Piece, isUrgent: Bool)? {
        state.withLockedValue { state in
            if let piece = state.urgent.popFirst() { return (piece, true) }
            return afterUrgent ? nil : state.prompt.popFirst().map { ($0, false) }
        }
    }

    /// - Parameter pieces: the first; all that were to be in the transaction when it returns or throws.
    private func commit(_ pieces: inout [Piece], isUrgent: Bool, _ database: Database) throws {
        var hasUrgent = isUrgent
        try database.inTransaction(.immediate) {
            var index = 0
            while index < pieces.count {
                pieces[index].run(database)
                // On a full disk SQLite undoes all of the transaction by itself; what came after would be on its own.
                guard database.isInsideTransaction else {
                    throw LedgerError(.full, "the ledger could not be written: make room on its file system")
                }
                index += 1
                if index < Self.piecesPerCommit, let more = next(afterUrgent: hasUrgent) {
                    hasUrgent = hasUrgent || more.isUrgent
                    pieces.append(more.piece)
                }
            }
            return .commit
        }
    }
}
