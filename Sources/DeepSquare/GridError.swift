// SPDX-License-Identifier: GPL-3.0-or-later

/// What went wrong with the grid.
public struct GridError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// No answer: of a node, a service, or Slurm. Ask again later.
        case unavailable
        /// What is there is not what is configured.
        case wrongContract
        /// The contract says no.
        case reverted
        /// An answer that is none.
        case malformed
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
