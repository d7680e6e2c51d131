// SPDX-License-Identifier: GPL-3.0-or-later

/// Why a call is not done. Upstream gets 500 for each; the reason stands in the log and on the page.
public struct JarviceError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// The request itself is wrong, or is not taken here.
        case refused
        /// The token, or the user that it names.
        case identity
        /// Somebody who is needed does not answer: ask again.
        case unavailable
        /// There is no such job, of this gateway.
        case unknownJob
        /// The job is in no state for that.
        case wrongState
    }

    public var code: Code
    public var message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
