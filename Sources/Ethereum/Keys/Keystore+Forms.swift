// SPDX-License-Identifier: GPL-3.0-or-later

/// The forms in which other programs have written keystores, read into one.
///
/// Names differ in their case (MyEtherWallet and ethers write `Crypto`), numbers may be text, the address may be missing,
/// empty or begin with 0x. Version 1 is geth's of 2015; its cipher and its way to the cipher's key differ.
extension Keystore {
    struct Sealed {
        enum Cipher: Hashable {
            case ctr
            /// Version 1.
            case cbc
        }

        enum Derivation: Hashable {
            case scrypt(n: Int, r: Int, p: Int)
            case pbkdf2(rounds: Int, isSHA512: Bool)

            /// Bytes; nil when the numbers are out of range.
            var memory: UInt64? {
                switch self {
                case .scrypt(let n, let r, _):
                    n > 1 && n <= 1 << 24 && (1...64).contains(r) ? UInt64(n) * UInt64(r) * 128 : nil
                case .pbkdf2: 0
                }
            }
        }

        var cipher: Cipher
        var ciphertext: [UInt8]
        var iv: [UInt8]
        var mac: [UInt8]
        var derivation: Derivation
        var salt: [UInt8]
        var keyLength: Int
        /// 20 bytes; nil when the file names none.
        var address: [UInt8]?
    }

    enum Form {
        case sealed(Sealed)
        /// geth's without a password: the key's digits.
        case plain(String)
    }

    /// Without a mark that some editors put before UTF-8.
    static func withoutMark(_ content: [UInt8]) -> ArraySlice<UInt8> {
        content.starts(with: [0xEF, 0xBB, 0xBF]) ? content.dropFirst(3) : content[...]
    }

    static func form(_ content: [UInt8]) throws(KeyError) -> Form {
        let document: Members
        do throws(JSONParser.Failure) {
            document = Members(try JSONValue(parsing: withoutMark(content)))
        } catch {
            throw KeyError(.malformed, "keystore: not the JSON of a keystore")
        }
        if let digits = document.text("privatekey") { return .plain(digits) }
        let crypto = document.members("crypto")
        guard document.has("crypto") else { throw unknown(document) }
        let version = document.integer("version") ?? crypto.integer("version")
        switch version {
        case 3: break
        case 1: guard crypto.text("cipher")?.lowercased() == "aes-128-cbc" else { fallthrough }
        default:
            throw KeyError(
                .unsupported,
                "keystore: version \(version.map(String.init) ?? "unknown"), only versions 3 and 1 can be opened")
        }
        return .sealed(try sealed(crypto, address: document.text("address"), isFirst: version == 1))
    }

    /// What is no keystore of an account of this kind of chain, or one of a kind that is not opened.
    private static func unknown(_ document: Members) -> KeyError {
        let advice = "open it with the wallet that made it, and export a keystore of version 3"
        if document.has("encseed") {
            return KeyError(.unsupported, "keystore: a wallet of Ethereum's presale: \(advice)")
        }
        if document.has("encrypted"), document.has("private") {
            return KeyError(.unsupported, "keystore: MyEtherWallet's form of 2015: \(advice)")
        }
        return KeyError(.malformed, "keystore: not the JSON of a version 3 keystore: it has no \"crypto\"")
    }

    private static func sealed(_ crypto: Members, address: String?, isFirst: Bool) throws(KeyError) -> Sealed {
        let cipher = crypto.text("cipher")?.lowercased() ?? ""
        guard cipher == (isFirst ? "aes-128-cbc" : "aes-128-ctr") else {
            throw KeyError(
                .unsupported, "keystore: its cipher is \(printable(cipher)), only aes-128-ctr can be opened")
        }
        let parameters = crypto.members("kdfparams")
        guard let ciphertext = crypto.bytes("ciphertext"), let iv = crypto.members("cipherparams").bytes("iv"),
            iv.count == 16,
            let mac = crypto.bytes("mac"),
            isFirst ? [32, 48].contains(ciphertext.count) : (1...33).contains(ciphertext.count)
        else { throw KeyError(.malformed, "keystore: ciphertext, iv or mac are not as long as they must be") }
        let length = parameters.integer("dklen") ?? 32
        guard (32...64).contains(length), let salt = parameters.bytes("salt"), salt.count <= 1024 else {
            throw KeyError(.malformed, "keystore: dklen or salt out of range")
        }
        return Sealed(
            cipher: isFirst ? .cbc : .ctr, ciphertext: ciphertext, iv: iv, mac: mac,
            derivation: try derivation(crypto.text("kdf")?.lowercased() ?? "", parameters),
            salt: salt,
            keyLength: length, address: address.flatMap { Hex.decode($0) }.flatMap { $0.isEmpty ? nil : $0 })
    }

    private static func derivation(_ name: String, _ parameters: Members) throws(KeyError) -> Sealed.Derivation {
        switch name {
        case "scrypt":
            guard let n = parameters.integer("n"), let r = parameters.integer("r"), let p = parameters.integer("p")
            else {
                throw KeyError(.malformed, "keystore: scrypt's n, r or p out of range")
            }
            return .scrypt(n: n, r: r, p: p)
        case "pbkdf2":
            let function = parameters.text("prf")?.lowercased()
            guard let function, ["hmac-sha256", "hmac-sha512"].contains(function), let rounds = parameters.integer("c")
            else { throw KeyError(.malformed, "keystore: pbkdf2's prf must be hmac-sha256 or hmac-sha512, c a number") }
            return .pbkdf2(rounds: rounds, isSHA512: function == "hmac-sha512")
        default:
            throw KeyError(
                .unsupported, "keystore: its kdf is \(printable(name)), only scrypt and pbkdf2 can be opened")
        }
    }

    private static func printable(_ text: String) -> String {
        String(text.unicodeScalars.prefix(32).map { (33..<127).contains($0.value) ? Character($0) : "?" })
    }

    /// An object's members, by their names in lower case.
    private struct Members {
        private var values: [String: JSONValue] = [:]

        init(_ json: JSONValue?) {
            guard case .object(let object)? = json else { return }
            // In a fixed order: of two that differ in case only, the one in lower case counts.
            for (name, value) in object.sorted(by: { $0.key < $1.key }) { values[name.lowercased()] = value }
        }

        func has(_ name: String) -> Bool { values[name] != nil }
        func members(_ name: String) -> Members { Members(values[name]) }
        func text(_ name: String) -> String? { values[name]?.text }
        func bytes(_ name: String) -> [UInt8]? { text(name).flatMap { Hex.decode($0) } }

        func integer(_ name: String) -> Int? {
            switch values[name] {
            case .integer(let number): Int(exactly: number)
            case .number(let number): Int(exactly: number)
            case .string(let text): Int(text)
            default: nil
            }
        }
    }
}
