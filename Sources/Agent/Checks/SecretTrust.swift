// SPDX-License-Identifier: GPL-3.0-or-later

/// Who else could read or change a file with a secret. No I/O.
struct SecretTrust {
    /// systemd hands each file in it to the agent: the unit's LoadCredential=.
    static let credentialsFolder = "/etc/slurm-grid-agent/credentials"

    /// A file that the agent reads itself.
    enum Kind: Equatable {
        case key, password, token

        /// Bits that nobody may have.
        var forbidden: UInt32 { self == .token ? 0o037 : 0o077 }
    }

    /// The agent's user; nil: not known.
    var reader: UInt32?
    /// For advice.
    var readerName: String

    /// The folder of credentials, or one of them: for root alone.
    func trouble(credential path: String, _ facts: FileTrust.Facts) -> String? {
        let isFolder = facts.kind == .folder
        guard isFolder || facts.kind == .file else { return "\(path) is not a plain file: move it away" }
        guard facts.owner == 0 else {
            return "\(path): belongs to uid \(facts.owner), who can read and change it: chown root \(path)"
        }
        guard facts.mode & 0o077 == 0 else {
            return "\(path): others can \(isFolder ? "enter" : "read") it: chmod \(isFolder ? "0700" : "0600") \(path)"
                + (isFolder ? "" : ", and think of the key as known to them")
        }
        return nil
    }

    func trouble(_ kind: Kind, _ path: String, _ facts: FileTrust.Facts) -> String? {
        guard facts.kind == .file else {
            return "\(path): \(facts.kind == .link ? "is a link; name the file itself" : "is not a plain file")"
        }
        if let reader {
            guard facts.owner == reader || facts.owner == 0 else {
                return "\(path): belongs to uid \(facts.owner), who can read and change it: chown \(readerName) \(path)"
            }
        }
        guard facts.mode & kind.forbidden == 0 else {
            return
                "\(path): others can read or change it: chmod 0600 \(path), and think of what is in it as known to them"
        }
        guard let reader, reader != 0 else { return nil }
        if facts.owner == 0, facts.mode & 0o040 == 0 {
            return
                "\(path): belongs to root, and the agent, which runs as \(readerName), cannot read it: chown \(readerName) \(path)"
        }
        if facts.owner == reader, facts.mode & 0o400 == 0 {
            return "\(path): is shut to its own owner: chmod 0600 \(path)"
        }
        return nil
    }
}
