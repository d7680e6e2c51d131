// SPDX-License-Identifier: GPL-3.0-or-later

import GRDB
import Testing

@testable import Persistence
@testable import Support

@Suite("What a fault of the state's files is called, and what to do about it")
struct DatabaseFaultTests {
    private static let path = "/nowhere/a.sqlite"

    struct Row: Sendable {
        var error: any Error
        var kind: DatabaseFault.Kind
        var words: String
    }

    static let rows: [Row] = [
        Row(error: ClosingGate.Closed(), kind: .closed, words: ": it is closed: the agent is ending"),
        Row(error: CancellationError(), kind: .closed, words: ": it is closed: the agent is ending"),
        Row(
            error: DatabaseFile.Failure.newer(found: 9, current: 8), kind: .newer,
            words: " has format 9, this release knows formats up to 8: install the later release again"),
        Row(
            error: DatabaseFile.Failure.cannotSetAside("busy"), kind: .unusable,
            words: " is damaged and cannot be renamed (busy): move it away"),
        Row(
            error: DatabaseFile.Failure.foreign(applicationID: 1), kind: .unusable,
            words: " is another program's database: move it away"),
        Row(error: sqlite(.SQLITE_CORRUPT), kind: .damaged, words: " is damaged (no luck)"),
        Row(error: sqlite(.SQLITE_NOTADB), kind: .damaged, words: " is damaged (no luck)"),
        Row(error: sqlite(.SQLITE_FULL), kind: .full, words: ": no luck: make room on its file system"),
        Row(error: sqlite(.SQLITE_IOERR), kind: .full, words: ": no luck: /nowhere is not there"),
        Row(error: sqlite(.SQLITE_READONLY), kind: .full, words: ": no luck: /nowhere is not there"),
        Row(error: sqlite(.SQLITE_CANTOPEN), kind: .unusable, words: ": no luck: /nowhere is not there"),
        Row(error: sqlite(.SQLITE_BUSY), kind: .failed, words: ": no luck"),
        Row(error: DatabaseError(resultCode: .SQLITE_BUSY), kind: .failed, words: ": database is locked"),
        Row(error: Unknown(), kind: .failed, words: ": Unknown()"),
    ]

    private struct Unknown: Error {}

    private static func sqlite(_ code: ResultCode) -> DatabaseError {
        DatabaseError(resultCode: code, message: "no luck")
    }

    @Test(arguments: rows.indices)
    func fault(_ index: Int) {
        let row = Self.rows[index]
        let fault = DatabaseFault(row.error, path: Self.path)
        #expect(fault.kind == row.kind)
        #expect(fault.words.hasPrefix(Self.path + row.words), "\(fault.words)")
    }
}
