// SPDX-License-Identifier: GPL-3.0-or-later

public import GRDB

/// Which state a file belongs to, and how old it is: the same in all files of it.
public struct StateIdentity: Sendable, Hashable {
    /// Random, of the state.
    public var family: String
    /// Grows at each start, and each hour: a file with a smaller one is an old copy.
    public var generation: Int64
    /// The generation that is being written to all files; those that have it belong together, whatever was in the way of the rest.
    public var next: Int64?

    public init(family: String, generation: Int64, next: Int64? = nil) {
        self.family = family
        self.generation = generation
        self.next = next
    }

    public static func fresh() -> StateIdentity {
        let digits = (0..<16).map { _ in String(UInt8.random(in: 0...15), radix: 16) }.joined()
        return StateIdentity(family: digits, generation: 0)
    }

    private static let names = (family: "state family", generation: "state generation", next: "state next")

    /// From a table `meta (name, value)`.
    public static func read(_ database: Database) throws -> StateIdentity? {
        func value(_ name: String) throws -> String? {
            try String.fetchOne(database, sql: "SELECT value FROM meta WHERE name = ?", arguments: [name])
        }
        guard let family = try value(names.family), let generation = try value(names.generation).flatMap({ Int64($0) })
        else { return nil }
        return StateIdentity(
            family: family, generation: generation, next: try value(names.next).flatMap { Int64($0) })
    }

    public func write(_ database: Database) throws {
        for (name, value) in [
            (Self.names.family, family), (Self.names.generation, "\(generation)"),
            (Self.names.next, next.map { "\($0)" } ?? ""),
        ] {
            try database.execute(
                sql: "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
                arguments: [name, value])
        }
    }
}

/// One of the state's files.
public protocol StateFile: Sendable {
    /// `ledger.sqlite`
    var fileName: String { get }
    func identity() async throws -> StateIdentity?
    func setIdentity(_ identity: StateIdentity) async throws
    /// Whether there was anything in it when it was opened.
    func hadContent() async throws -> Bool
}
