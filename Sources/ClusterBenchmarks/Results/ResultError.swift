// SPDX-License-Identifier: GPL-3.0-or-later

/// Why a benchmark's output is no result.
public struct ResultError: Error, Sendable, Hashable, CustomStringConvertible {
    public var description: String

    public init(_ description: String) { self.description = description }
}
