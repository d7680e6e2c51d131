// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import Support

/// Who may call: whoever knows `user:password`, if there is one. Else the place where the server listens decides, or a
/// client's certificate.
public struct ServerAccess: Sendable, Equatable, CustomStringConvertible {
    private let key: [UInt8]?

    /// - Parameter key: `user:password`; nil: no password is asked for.
    public init(key: String?) {
        self.key = key.map { Array($0.utf8) }
    }

    public var asksForKey: Bool { key != nil }

    /// Takes as long whatever is wrong with what was given.
    func allows(_ authorization: String?) -> Bool {
        guard let key else { return true }
        let scheme = "basic "
        guard let authorization, authorization.lowercased().hasPrefix(scheme),
            let given = Data(base64Encoded: PythonText.strip(authorization.dropFirst(scheme.count)))
        else { return false }
        return ConstantTime.equal(given, key)
    }

    public var description: String { key == nil ? "no password" : "a password" }
}
