// SPDX-License-Identifier: GPL-3.0-or-later

package import GRDB
internal import Glibc
public import Persistence
package import Support

/// What the chain client must not forget, in an SQLite file of its own beside the ledger: a damaged ledger can be rebuilt
/// from Slurm, these transactions from nowhere.
///
/// A write that returns is on the disk (WAL, synchronous=FULL).
public final class ChainStore: Sendable {
    public let path: String
    package let queue: DatabaseQueue
    package let gate = ClosingGate()
    /// It had been used when it was opened.
    private let wasBound: Bool

    /// Blocks; not for a cooperative thread once the agent runs.
    ///
    /// A damaged file is refused and never replaced: the nonces in it may be in flight.
    public init(path: String) throws(ChainStoreError) {
        self.path = path
        do {
            let opened = try ChainSchema.file(path).open { try DatabaseQueue(path: $0, configuration: $1) }.writer
            wasBound = try opened.read { try Self.meta($0, "account") != nil }
            queue = opened
        } catch {
            throw Self.translate(error, path: path)
        }
    }

    /// Opens it to look at it, also beside the agent that writes it. Makes and changes nothing.
    public init(reading path: String) throws(ChainStoreError) {
        self.path = path
        wasBound = true
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        do {
            guard access(path, R_OK) == 0 else {
                throw ChainStoreError(
                    .unusable,
                    "\(path): \(String(cString: strerror(errno))): is this the agent's state folder, and has it a chain?"
                )
            }
            queue = try DatabaseQueue(path: path, configuration: configuration)
            let version = try queue.read { try Int.fetchOne($0, sql: "PRAGMA user_version") ?? 0 }
            guard version == ChainSchema.current else {
                throw ChainStoreError(
                    .newer, "\(path) has format \(version), this release reads format \(ChainSchema.current)")
            }
        } catch {
            throw Self.translate(error, path: path)
        }
    }

    /// Closes the file once what is under way is done; from now on all else throws `.closed`.
    public func close() { closeFile() }

}

extension ChainStore: DatabaseStore {
    package static func failure(_ fault: DatabaseFault) -> ChainStoreError {
        switch fault.kind {
        case .closed: ChainStoreError(.closed, fault.words)
        case .damaged:
            ChainStoreError(
                .damaged,
                fault.words
                    + ": move it away, this file alone; the agent begins a new one and reads from the chain what "
                    + "became of its transactions")
        case .full: ChainStoreError(.full, fault.words)
        case .unusable: ChainStoreError(.unusable, fault.words)
        case .newer: ChainStoreError(.newer, fault.words)
        case .failed: ChainStoreError(.failed, fault.words)
        }
    }
}

/// One file of the agent's state.
extension ChainStore: StateFile {
    public var fileName: String { "chain.sqlite" }

    public func identity() async throws -> StateIdentity? { try await read { try StateIdentity.read($0) } }

    public func setIdentity(_ identity: StateIdentity) async throws { try await write { try identity.write($0) } }

    public func hadContent() async throws -> Bool { wasBound }
}

/// The file's format, counted by `user_version`.
enum ChainSchema {
    private static let steps: [(version: Int, sql: String)] = [
        (1, first),
        (
            2,
            """
            -- What is over is found by when it ended, and a nonce that the chain has lost by itself, not by looking at all.
            CREATE INDEX intents_ended ON intents (ended_at) WHERE state = 2;
            CREATE INDEX attempts_nonce ON attempts (nonce, id) WHERE ended = 1;
            """
        ),
        (
            3,
            """
            -- Handled once, and delivered again.
            ALTER TABLE inbox ADD COLUMN again INTEGER NOT NULL DEFAULT 0;
            """
        ),
    ]

    static var current: Int { steps.last?.version ?? 0 }

    static func file(_ path: String) -> DatabaseFile { DatabaseFile(path: path, label: "chain", steps: steps) }

    static func migrate(_ database: Database, path: String) throws { try file(path).migrate(database) }

    private static let first = """
        CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

        -- state: 0 waits, 1 has a nonce, 2 is over. Amounts of wei are decimal text.
        CREATE TABLE intents (
            id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, class TEXT NOT NULL, recipient BLOB NOT NULL,
            value TEXT NOT NULL, data BLOB NOT NULL, call TEXT NOT NULL, gas INTEGER, minimum_gas INTEGER NOT NULL DEFAULT 0,
            cancel INTEGER NOT NULL DEFAULT 0, state INTEGER NOT NULL DEFAULT 0, outcome TEXT, receipt TEXT,
            made_at REAL NOT NULL, ended_at REAL
        );
        CREATE INDEX intents_open ON intents (state) WHERE state < 2;

        -- A nonce spent on an intent. ended: the nonce is used for good.
        CREATE TABLE attempts (
            id INTEGER PRIMARY KEY, intent INTEGER NOT NULL REFERENCES intents (id) ON DELETE CASCADE, nonce INTEGER NOT NULL,
            gas INTEGER NOT NULL, first_block INTEGER NOT NULL, made_at REAL NOT NULL, ended INTEGER NOT NULL DEFAULT 0
        );
        CREATE UNIQUE INDEX attempts_open ON attempts (nonce) WHERE ended = 0;
        CREATE INDEX attempts_intent ON attempts (intent);

        CREATE TABLE transactions (
            id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE,
            attempt INTEGER NOT NULL REFERENCES attempts (id) ON DELETE CASCADE, raw BLOB NOT NULL,
            cancellation INTEGER NOT NULL, made_at REAL NOT NULL
        );
        CREATE INDEX transactions_attempt ON transactions (attempt);

        CREATE TABLE gas (call TEXT PRIMARY KEY, gas INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE spent (day INTEGER NOT NULL, class TEXT NOT NULL, wei TEXT NOT NULL, PRIMARY KEY (day, class)) WITHOUT ROWID;

        -- How far a feed has read the chain, and where it has been, to find back after a reorganisation.
        CREATE TABLE cursors (feed TEXT PRIMARY KEY, number INTEGER NOT NULL, hash BLOB NOT NULL) WITHOUT ROWID;
        CREATE TABLE checkpoints (
            feed TEXT NOT NULL, number INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (feed, number)
        ) WITHOUT ROWID;

        -- Logs, each once. place: which of its transaction's logs that the feed wants; digest: of what it says. The block
        -- may change in a reorganisation, these do not.
        CREATE TABLE inbox (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT, feed TEXT NOT NULL, tx BLOB NOT NULL, place INTEGER NOT NULL,
            digest BLOB NOT NULL, address BLOB NOT NULL, topics BLOB NOT NULL, data BLOB NOT NULL, number INTEGER NOT NULL,
            block BLOB NOT NULL, log_index INTEGER NOT NULL, orphaned INTEGER NOT NULL DEFAULT 0,
            handled INTEGER NOT NULL DEFAULT 0, UNIQUE (feed, tx, place, digest)
        );
        CREATE INDEX inbox_waiting ON inbox (feed, sequence) WHERE handled = 0;
        CREATE INDEX inbox_number ON inbox (feed, number);
        """
}
