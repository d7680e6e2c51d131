// SPDX-License-Identifier: GPL-3.0-or-later

/// Why the ledger could not be opened, read or written.
public struct LedgerError: Error, Sendable, CustomStringConvertible {
    public struct Code: Sendable, Hashable {
        private enum Value: Hashable, Sendable {
            case unusable, newer, otherCluster, damaged, full, failed, notFound, conflict, closed
        }

        private let value: Value
        private init(_ value: Value) { self.value = value }

        /// The file or its folder cannot be used as they are: owner, mode, not a database.
        public static let unusable = Code(.unusable)
        /// A later release of the agent has written it.
        public static let newer = Code(.newer)
        /// It belongs to another cluster.
        public static let otherCluster = Code(.otherCluster)
        /// What is in it makes no sense. The next start sets it aside.
        public static let damaged = Code(.damaged)
        /// No space, or a read-only file system. Nothing was written; it may be tried again.
        public static let full = Code(.full)
        /// Any other failure of SQLite. Nothing was written.
        public static let failed = Code(.failed)
        public static let notFound = Code(.notFound)
        /// What was asked for does not fit what the ledger holds.
        public static let conflict = Code(.conflict)
        /// The agent is ending.
        public static let closed = Code(.closed)
    }

    public var code: Code
    /// What happened and what to do next, one line.
    public var message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
