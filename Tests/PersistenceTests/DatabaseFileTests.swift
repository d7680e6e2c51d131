// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import GRDB
import Testing

@testable import Persistence

@Suite("Opening one of the state's files")
struct DatabaseFileTests {
    private static let steps: [DatabaseFile.Step] = [
        (1, "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"),
        (2, "CREATE TABLE more (id INTEGER PRIMARY KEY, text TEXT)"),
    ]

    private struct Folder: ~Copyable {
        let path = NSTemporaryDirectory() + "file-" + UUID().uuidString

        init() throws {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        }
        var file: String { path + "/x.sqlite" }
        deinit { try? FileManager.default.removeItem(atPath: path) }
    }

    private static func open(_ path: String, _ steps: [DatabaseFile.Step] = steps) throws -> (
        queue: DatabaseQueue, setAside: DatabaseFile.SetAside?
    ) {
        let file = DatabaseFile(path: path, label: "test", steps: steps)
        let opened = try file.openOrSetAside(now: Date(timeIntervalSince1970: 5)) {
            try DatabaseQueue(path: $0, configuration: $1)
        }
        return (opened.writer, opened.setAside)
    }

    @Test(
        "an older file is brought up to date and keeps its identity; a write is on the disk; a copy of it is no other's"
    )
    func steps() async throws {
        let folder = try Folder()
        let path = folder.file
        let first = try Self.open(path, [Self.steps[0]]).queue
        let identity = StateIdentity(family: "f", generation: 3, next: 4)
        try await first.write { try identity.write($0) }
        try first.close()
        let second = try Self.open(path)
        #expect(second.setAside == nil)
        let read = try await second.queue.read { database in
            (
                identity: try StateIdentity.read(database),
                numbers: try ["user_version", "synchronous", "application_id"].map {
                    try Int.fetchOne(database, sql: "PRAGMA \($0)")
                },
                mode: try String.fetchOne(database, sql: "PRAGMA journal_mode")
            )
        }
        #expect(read.identity == identity)
        #expect(read.numbers == [2, 2, DatabaseFile.applicationID])
        #expect(read.mode == "wal")
    }

    @Test("what another program or a later release wrote is left as it is")
    func refuses() async throws {
        let folder = try Folder()
        let path = folder.file
        let queue = try Self.open(path).queue
        try await queue.write { try $0.execute(sql: "PRAGMA user_version = 9") }
        #expect(throws: DatabaseFile.Failure.newer(found: 9, current: 2)) { try Self.open(path) }
        try await queue.write { try $0.execute(sql: "PRAGMA user_version = 2; PRAGMA application_id = 77") }
        #expect(throws: DatabaseFile.Failure.foreign(applicationID: 77)) { try Self.open(path) }
    }

    @Test("a damaged file is set aside with all that belongs to it", arguments: ["garbage", "halved", "flipped"])
    func damage(_ kind: String) async throws {
        let folder = try Folder()
        let path = folder.file
        let queue = try Self.open(path).queue
        try await queue.write { database in
            for _ in 0..<200 {
                try database.execute(
                    sql: "INSERT INTO more (text) VALUES (?)", arguments: [String(repeating: "x", count: 400)])
            }
        }
        try await queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)") }
        try queue.close()
        let url = URL(fileURLWithPath: path)
        var bytes = try Data(contentsOf: url)
        switch kind {
        case "garbage": bytes = Data(String(repeating: "no database ", count: 500).utf8)
        case "halved": bytes = bytes.prefix(bytes.count / 2)
        // The kind of the second page.
        default: bytes[4096] ^= 0x40
        }
        try bytes.write(to: url)
        let opened = try Self.open(path)
        #expect(opened.setAside?.aside == path + ".damaged-5")
        #expect(opened.setAside?.reason.contains("\n") == false)
        #expect(FileManager.default.fileExists(atPath: path + ".damaged-5"))
        #expect(try await opened.queue.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM meta") } == 0)
    }

    @Test("an empty file is a new one")
    func empty() throws {
        let folder = try Folder()
        try Data().write(to: URL(fileURLWithPath: folder.file))
        #expect(try Self.open(folder.file).setAside == nil)
    }
}
