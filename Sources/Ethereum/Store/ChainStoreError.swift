// SPDX-License-Identifier: GPL-3.0-or-later

/// Why the chain's ledger could not be opened, read or written.
public struct ChainStoreError: Error, Sendable, Hashable, CustomStringConvertible {
    public struct Code: Sendable, Hashable {
        private enum Value: Hashable, Sendable {
            case unusable, damaged, newer, otherAccount, full, failed, conflict, closed
        }

        private let value: Value
        private init(_ value: Value) { self.value = value }

        /// The file or its folder cannot be used as they are.
        public static let unusable = Code(.unusable)
        /// The file is no intact database.
        public static let damaged = Code(.damaged)
        /// A later release of the agent has written it.
        public static let newer = Code(.newer)
        /// Transactions of another account, or on another chain, are open in it.
        public static let otherAccount = Code(.otherAccount)
        /// No space. Nothing was written; it may be tried again.
        public static let full = Code(.full)
        public static let failed = Code(.failed)
        /// The key was used for something else.
        public static let conflict = Code(.conflict)
        /// The agent is ending.
        public static let closed = Code(.closed)
    }

    public var code: Code
    public var message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
