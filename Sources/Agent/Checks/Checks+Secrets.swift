// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc

/// Keys, passwords and tokens: who else can read or change them, as root and as the agent see it.
extension Checks {
    func secrets() -> [Finding] {
        let trust = secretTrust
        let files: [(String, SecretTrust.Kind, String?)] = [
            ("key file", .key, configuration.chain.keyFile),
            ("password file", .password, configuration.chain.keyPasswordFile),
            ("token file", .token, configuration.admin.tokenFile),
            ("TLS key file", .token, configuration.benchmark.keyFile),
            ("jarvice key file", .token, configuration.jarvice.serverKeyFile),
            ("jarvice TLS key", .token, configuration.jarvice.certificateKey),
        ]
        return [credentialFiles()].compactMap { $0 }
            + files.compactMap { name, kind, path in path.map { secret(name, kind, $0, trust) } }
    }

    /// Root looks for the agent, whose folder is its own.
    private var secretTrust: SecretTrust {
        guard geteuid() == 0 else { return SecretTrust(reader: geteuid(), readerName: Self.account(of: geteuid())) }
        var status = stat()
        guard lstat(configuration.stateFolder, &status) == 0, status.st_uid != 0 else {
            return SecretTrust(reader: nil, readerName: "the agent's user")
        }
        return SecretTrust(reader: status.st_uid, readerName: Self.account(of: status.st_uid))
    }

    private func secret(_ subject: String, _ kind: SecretTrust.Kind, _ path: String, _ trust: SecretTrust) -> Finding {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            return errno == ENOENT
                ? failure(subject, "\(path) is not there: \(Self.remedy(kind, path))") : unseen(subject, path)
        }
        if let trouble = trust.trouble(kind, path, FileTrust.Facts(status)) { return failure(subject, trouble) }
        return ok(subject, path)
    }

    private static func remedy(_ kind: SecretTrust.Kind, _ path: String) -> String {
        switch kind {
        case .key:
            "put the key back, or make one: slurm-grid-agent key new --file \(path) (as the agent's user), or correct chain.key-file"
        case .password: "put it back, or correct chain.key-password-file"
        case .token: "put it back, or correct the key that names it"
        }
    }

    /// nil: there is no such folder.
    func credentialFiles() -> Finding? {
        let folder = credentialsFolder
        let subject = "credentials"
        var status = stat()
        guard lstat(folder, &status) == 0 else { return errno == ENOENT ? nil : unseen(subject, folder) }
        guard status.st_mode & S_IFMT == S_IFDIR else { return failure(subject, "\(folder) is not a folder") }
        let trust = SecretTrust(reader: nil, readerName: "root")
        if let trouble = trust.trouble(credential: folder, FileTrust.Facts(status)) { return failure(subject, trouble) }
        guard let stream = opendir(folder) else {
            return errno == EACCES ? ok(subject, "\(folder), for root alone") : unseen(subject, folder)
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard name != ".", name != ".." else { continue }
            names.append(name)
            let path = folder + "/" + name
            guard lstat(path, &status) == 0 else { continue }
            if let trouble = trust.trouble(credential: path, FileTrust.Facts(status)) {
                return failure(subject, trouble)
            }
        }
        return ok(
            subject, names.isEmpty ? "none in \(folder)" : "\(names.sorted().joined(separator: ", ")) in \(folder)")
    }
}
