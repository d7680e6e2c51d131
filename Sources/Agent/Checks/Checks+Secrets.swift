// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc

/// Keys, passwords and tokens: who else can read or change them, as root and as the agent see it.
extension Checks {
    func secrets() -> [Finding] {
        let trust = secretTrust
        let token = configuration.admin.tokenFile.map {
            SecretFile(subject: "token file", kind: .token, path: $0, remedy: SecretFile.putBack)
        }
        let files = modules.flatMap { $0.secretFiles(in: configuration) } + [token].compactMap { $0 }
        return [credentialFiles()].compactMap { $0 } + files.map { secret($0, trust) }
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

    private func secret(_ file: SecretFile, _ trust: SecretTrust) -> Finding {
        let (subject, path) = (file.subject, file.path)
        var status = stat()
        guard lstat(path, &status) == 0 else {
            return errno == ENOENT
                ? failure(subject, "\(path) is not there: \(file.remedy)") : unseen(subject, path)
        }
        if let trouble = trust.trouble(file.kind, path, FileTrust.Facts(status)) { return failure(subject, trouble) }
        return ok(subject, path)
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
