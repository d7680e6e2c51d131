// SPDX-License-Identifier: GPL-3.0-or-later

/// Why a key cannot be had or used.
public struct KeyError: Error, Hashable, Sendable, CustomStringConvertible {
    public struct Code: Hashable, Sendable {
        private enum Value: Hashable, Sendable {
            case missing, exposed, malformed, unsupported, password, failed, wrongAnswer
        }
        private let value: Value
        private init(_ value: Value) { self.value = value }

        /// It is not there, or cannot be read.
        public static let missing = Code(.missing)
        /// Others can read it.
        public static let exposed = Code(.exposed)
        public static let malformed = Code(.malformed)
        /// A keystore of a kind that cannot be opened here.
        public static let unsupported = Code(.unsupported)
        public static let password = Code(.password)
        public static let failed = Code(.failed)
        /// A remote signer gave something else than what it was asked for.
        public static let wrongAnswer = Code(.wrongAnswer)
    }

    public var code: Code
    /// What happened and what to do, one line, without anything secret.
    public var message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
