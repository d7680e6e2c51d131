// SPDX-License-Identifier: GPL-3.0-or-later

/// What went wrong between Slurm and a backend.
public struct CockpitError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// No answer: of a backend or Slurm. Ask again later.
        case unavailable
        /// Slurm has answered, and does not say all of it yet. Ask again later.
        case incomplete
        /// An answer that is none.
        case malformed
        /// Never, this message.
        case refused
        /// The gateway's own file.
        case storage
        /// Something configured cannot be used.
        case configuration
    }

    public var code: Code
    public var message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
