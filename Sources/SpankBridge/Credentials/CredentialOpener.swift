// SPDX-License-Identifier: GPL-3.0-or-later

/// Opens what a compute node has signed.
public protocol CredentialOpener: Sendable {
    /// - Throws: also when no answer came in time; the credential may be tried again then.
    func open(_ credential: [UInt8]) async throws(CredentialError) -> OpenedCredential
}

public struct OpenedCredential: Sendable, Hashable {
    public var payload: [UInt8]
    /// Of the process that signed.
    public var uid: UInt32
    public var gid: UInt32

    public init(payload: [UInt8], uid: UInt32, gid: UInt32) {
        self.payload = payload
        self.uid = uid
        self.gid = gid
    }
}

public struct CredentialError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// It was opened on this host before.
        case replayed
        /// Too old, or from a clock that is ahead.
        case expired
        /// Not signed with this cluster's key, or no credential at all.
        case invalid
        /// munged is away or does not answer.
        case unavailable
    }

    public var code: Code
    public var message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
