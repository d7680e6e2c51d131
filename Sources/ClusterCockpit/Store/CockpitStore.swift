// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import GRDB
internal import Glibc
internal import JobLifecycle
internal import Persistence
internal import Support

/// What the gateway must not forget, in a file of its own: the runs of the cluster and what each backend knows of them. WAL,
/// synchronous=FULL: a call that returns is on the disk.
final class CockpitStore: Sendable {
    let path: String
    let queue: DatabaseQueue
    /// It was damaged: it lies there now, and this is a new one.
    let setAside: DatabaseFile.SetAside?
    let gate = ClosingGate()

    /// Blocks; for the start.
    init(path: String, now: Date = Date(), trace: (@Sendable (String) -> Void)? = nil) throws(CockpitError) {
        self.path = path
        do {
            var file = CockpitSchema.file(path)
            if let trace {
                file.configuration.prepareDatabase { database in
                    database.trace { trace($0.expandedDescription) }
                }
            }
            // The ledger and the backends know what is in it.
            (queue, _, setAside) = try file.openOrSetAside(now: now) {
                try DatabaseQueue(path: $0, configuration: $1)
            }
        } catch {
            throw Self.translate(error, path: path)
        }
    }

    /// The highest transition of the ledger that is in the file; nil: there is no file, or it cannot be read. Blocks.
    static func highestTransition(path: String) -> Int64? {
        guard access(path, R_OK) == 0 else { return nil }
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        guard let queue = try? DatabaseQueue(path: path, configuration: configuration) else { return nil }
        defer { try? queue.close() }
        return try? queue.read {
            try Int64.fetchOne($0, sql: "/* reads all */ SELECT max(sequence) FROM runs")
        }
    }

    /// Closes the file once what is under way is done; all else throws from now on.
    func close() { closeFile() }

    // MARK: meta

    func value(_ name: String) async throws(CockpitError) -> String? {
        try await read { try String.fetchOne($0, sql: "SELECT value FROM meta WHERE name = ?", arguments: [name]) }
    }

    func set(_ name: String, _ value: String) async throws(CockpitError) {
        try await write {
            try $0.execute(sql: "INSERT OR REPLACE INTO meta VALUES (?, ?)", arguments: [name, value])
        }
    }

    // MARK: backends

    struct BackendRecord: Sendable, Hashable {
        var release: BackendRelease?
        var cluster: String
        /// When its running list was compared last, Unix seconds.
        var comparedAt: Int64?
    }

    func backend(_ name: String) async throws(CockpitError) -> BackendRecord? {
        try await read { database in
            try Row.fetchOne(
                database, sql: "SELECT release, cluster, compared_at FROM backends WHERE name = ?", arguments: [name]
            ).map {
                BackendRecord(
                    release: ($0[0] as String?).flatMap(BackendRelease.init), cluster: $0[1], comparedAt: $0[2])
            }
        }
    }

    func save(_ name: String, _ record: BackendRecord) async throws(CockpitError) {
        try await write {
            try $0.execute(
                sql: "INSERT OR REPLACE INTO backends VALUES (?, ?, ?, ?)",
                arguments: [name, record.release?.rawValue, record.cluster, record.comparedAt])
        }
    }

    /// A backend that is new here is told of all that runs; rows of one that is configured no more are forgotten.
    func bind(_ names: [String]) async throws(CockpitError) {
        try await write { database in
            let known = try String.fetchAll(database, sql: "/* reads all */ SELECT name FROM backends")
            for name in known where !names.contains(name) {
                try database.execute(sql: "DELETE FROM rows WHERE backend = ?", arguments: [name])
                try database.execute(sql: "DELETE FROM backends WHERE name = ?", arguments: [name])
            }
            for name in names where !known.contains(name) {
                try database.execute(sql: "INSERT INTO backends (name) VALUES (?)", arguments: [name])
                try database.execute(
                    sql: """
                        INSERT OR IGNORE INTO rows (backend, run, lane, phase)
                        SELECT ?, id, lane, 'none' FROM runs INDEXED BY runs_open WHERE ending IS NULL
                        """,
                    arguments: [name])
            }
        }
    }
}

extension CockpitStore: DatabaseStore {
    static func failure(_ fault: DatabaseFault) -> CockpitError { CockpitError(.storage, fault.words) }
}
