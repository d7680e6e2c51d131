// SPDX-License-Identifier: GPL-3.0-or-later

internal import Yams

/// The reference's `users_id_mapping_configuration.yaml`: which e-mail address is which Unix user.
public struct UserMapping: Sendable, Equatable {
    public struct Malformed: Error, Sendable, Equatable, CustomStringConvertible {
        public var description: String
    }

    /// In the order of the file.
    public var entries: [(mail: String, login: String)] { zip(mails, logins).map { ($0, $1) } }
    private var mails: [String] = []
    private var logins: [String] = []
    /// It holds private keys, which nobody needs any more.
    public private(set) var hasKeys = false

    private static let sizeLimit = 16 << 20

    public init(yaml text: String) throws(Malformed) {
        guard text.utf8.count <= Self.sizeLimit else { throw Malformed(description: "is larger than 16 MiB") }
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            throw Malformed(description: "is not valid YAML: \(error)")
        }
        guard let list = root?.mapping?["users_id_mapping"]?.sequence else {
            throw Malformed(description: "has no list users_id_mapping")
        }
        for (index, entry) in list.enumerated() {
            guard let mapping = entry.mapping, let mail = mapping["mail"]?.scalar?.string,
                let login = mapping["mapped_user"]?.scalar?.string
            else { throw Malformed(description: "entry \(index + 1) has no mail and mapped_user") }
            guard Self.isLogin(login) else {
                throw Malformed(description: "entry \(index + 1): \"\(login.prefix(64))\" is not a login name")
            }
            mails.append(mail)
            logins.append(login)
            if let key = mapping["ssh_private_key_b64"]?.scalar?.string, !key.isEmpty { hasKeys = true }
        }
    }

    public var count: Int { mails.count }

    /// Of the first entry; letters as they are.
    func login(mail: String) -> String? {
        mails.firstIndex { $0.unicodeScalars.elementsEqual(mail.unicodeScalars) }.map { logins[$0] }
    }

    /// What the name service may be asked for.
    static func isLogin(_ text: String) -> Bool {
        (1...256).contains(text.utf8.count) && text.utf8.first != UInt8(ascii: "-")
            && !text.utf8.allSatisfy { (0x30...0x39).contains($0) }
            && text.unicodeScalars.allSatisfy { $0.value > 32 && $0 != "\u{7f}" && $0 != ":" && $0 != "," && $0 != "/" }
    }
}

/// How a token's claims name a Unix user.
public enum UserRule: Sendable, Equatable {
    /// By `email`, through this file.
    case mapping(UserMapping)
    /// A claim is the login name.
    case claim(String)

    func login(_ claims: JSONValue) throws(JarviceError) -> String {
        switch self {
        case .mapping(let mapping):
            guard let mail = claims["email"]?.string, !mail.isEmpty else {
                throw TokenClaims.refused("it has no claim email")
            }
            // The issuer says itself that it does not know whose address that is.
            guard claims["email_verified"] != .bool(false) else {
                throw TokenClaims.refused("its issuer has not verified the e-mail address")
            }
            guard let login = mapping.login(mail: mail) else {
                throw JarviceError(.identity, "the e-mail address of the token is not in the user map")
            }
            return login
        case .claim(let name):
            guard let login = claims[name]?.string, UserMapping.isLogin(login) else {
                throw TokenClaims.refused("its claim \(name) is not a login name")
            }
            return login
        }
    }
}
