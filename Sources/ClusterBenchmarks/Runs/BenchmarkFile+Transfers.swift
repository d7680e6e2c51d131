// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB
internal import Persistence

extension BenchmarkFile {
    /// Before it is answered, what came is on the disk. A parcel that is whole becomes results of its part by the same write, as if
    /// they had been posted.
    ///
    /// - Returns: what the job is answered; nil: the part is over. And what is wrong with a parcel.
    func take(_ chunk: CommentChunk, of part: Int64) async throws(BenchmarkError) -> (answer: String?, problem: String?)
    {
        try await write { database in
            let row = try Row.fetchOne(
                database, sql: "SELECT attempt, number, text FROM transfers WHERE part = ?", arguments: [part])
            guard let row else { return (nil, nil) }
            var transfer = CommentTransfer(attempt: row[0], number: row[1], text: row[2])
            var problem: String?
            if case .whole(let text) = transfer.take(chunk) {
                do {
                    let contents = try ResultParcel.contents(packed: text)
                    if try Self.add(contents, to: part, database) == .full { problem = ResultPost.Answer.full.text }
                } catch let error as ResultError {
                    // The same would come again: it is answered all the same.
                    problem = error.description
                }
            }
            try database.execute(
                sql: "UPDATE transfers SET attempt = ?, number = ?, text = ? WHERE part = ?",
                arguments: [transfer.attempt, transfer.number, transfer.text, part])
            return (CommentChunk.answer(transfer.attempt, transfer.number), problem)
        }
    }

    /// Whether a job that is over was cut in the middle of what it sent.
    func isCut(_ part: Int64) async throws(BenchmarkError) -> Bool {
        try await read { database in
            try Bool.fetchOne(database, sql: "SELECT text <> '' FROM transfers WHERE part = ?", arguments: [part])
                ?? false
        }
    }
}
