// SPDX-License-Identifier: GPL-3.0-or-later

internal import COpenSSL
internal import Glibc

/// Where the agent's key comes from.
public enum KeySource: Hashable, Sendable {
    /// A file of mode 0600: 64 digits, or a keystore.
    case file(String)
    /// A file that systemd hands over (`LoadCredential=`), by its name.
    case credential(String)
    /// An environment variable with the digits: others of the same user can read it, so only with a warning.
    case environment(String)

    /// What the whole process may do about core dumps before a key comes into it: none is written.
    public static func forbidCoreDumps() {
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
        // Also keeps others of the same user from reading its memory.
        _ = cossl_forbid_dumps()
    }

    /// systemd's prefix for the files of a folder that is named `LoadCredential=agent:FOLDER`.
    public static let credentialPrefix = "agent_"

    /// The file of a credential, by the name that it has in its folder or the one that systemd makes of it.
    private static func credential(named name: String, in folder: String) throws(KeyError) -> String {
        let other =
            name.hasPrefix(credentialPrefix)
            ? String(name.dropFirst(credentialPrefix.count)) : credentialPrefix + name
        for candidate in [name, other] where !candidate.isEmpty && access(folder + "/" + candidate, F_OK) == 0 {
            return candidate
        }
        let there = credentials(in: folder)
        throw KeyError(
            .missing,
            "no credential \"\(name)\" in \(folder): "
                + (there.isEmpty
                    ? "there is none; each file in /etc/slurm-grid-agent/credentials is one, from the next start on"
                    : "there is \(there.joined(separator: ", "))"))
    }

    /// What is there, without systemd's prefix.
    private static func credentials(in folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            // `agent` alone stands in for a folder that is gone.
            guard !name.hasPrefix("."), name + "_" != credentialPrefix else { continue }
            names.append(name.hasPrefix(credentialPrefix) ? String(name.dropFirst(credentialPrefix.count)) : name)
        }
        return names.sorted()
    }

    /// Reads the key. Takes a second for a keystore.
    ///
    /// - Parameters:
    ///   - passwordFile: for a keystore; of mode 0600. Its last line feed is not part of the password.
    ///   - credentials: systemd's folder, `$CREDENTIALS_DIRECTORY`.
    public func load(passwordFile: String? = nil, credentials: String? = nil) throws(KeyError) -> PrivateKey {
        var content: [UInt8]
        switch self {
        case .file(let path):
            content = try SecretFile.read(path)
        case .credential(let name):
            guard !name.contains("/"), name != "..", !name.isEmpty else {
                throw KeyError(.malformed, "\"\(name)\" is no name of a credential")
            }
            guard let credentials else {
                throw KeyError(
                    .missing,
                    "the credential \"\(name)\" is handed over by systemd alone (LoadCredential=), and CREDENTIALS_DIRECTORY is not set"
                )
            }
            content = try SecretFile.read(
                credentials + "/" + Self.credential(named: name, in: credentials), isCredential: true)
        case .environment(let name):
            guard let value = getenv(name) else { throw KeyError(.missing, "\(name) is not set") }
            content = Array(UnsafeBufferPointer(start: value, count: strlen(value))).map { UInt8(bitPattern: $0) }
            // In place: also /proc/PID/environ loses it, and no child inherits it.
            memset(value, 0, strlen(value))
            unsetenv(name)
        }
        defer { wipe(&content) }
        guard Keystore.isKeystore(content) else { return try PrivateKey(PrivateKey.parse(content)) }
        guard Keystore.needsPassword(content) else { return try Keystore.open(content, password: []) }
        guard let passwordFile else {
            throw KeyError(
                .password, "the key is a keystore: name the file with its password (chain.key-password-file)")
        }
        var file = try SecretFile.read(passwordFile)
        defer { wipe(&file) }
        var last = KeyError(.password, "\(passwordFile): holds no password")
        for var password in PasswordFile.candidates(file) {
            defer { wipe(&password) }
            do throws(KeyError) {
                return try Keystore.open(content, password: password)
            } catch {
                last = error
                guard error.code == .password else { throw error }
            }
        }
        throw last
    }
}

/// What a file with a password may mean: programs differ in what they cut off.
enum PasswordFile {
    /// In the order of how likely they are; each once. Mostly there is only one: each takes as long as the keystore's maker
    /// chose.
    static func candidates(_ file: [UInt8]) -> [[UInt8]] {
        let ends: Set<UInt8> = [10, 13]
        let content = file.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(file.dropFirst(3)) : file
        var found: [[UInt8]] = []
        func add(_ password: some Sequence<UInt8>) {
            let password = Array(password)
            if !found.contains(password) { found.append(password) }
        }
        // As openssl, `cast` and this program's own `key import` write it: without the end of the last line.
        add(content.last == 10 ? content.dropLast(content.dropLast().last == 13 ? 2 : 1) : content[...])
        // geth: its first line.
        add(content.prefix { !ends.contains($0) })
        // Those that cut off all white space at the end, or at both ends.
        let isSpace = { (byte: UInt8) in byte == 32 || byte == 9 || ends.contains(byte) }
        var trimmed = content[...]
        while trimmed.last.map(isSpace) == true { trimmed.removeLast() }
        add(trimmed)
        add(trimmed.drop(while: isSpace))
        // Those that cut off nothing.
        add(content)
        add(file)
        return found
    }
}
