// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
internal import Slurm
internal import Sockets

/// This host: the configuration, folders, sockets and the clock.
extension Checks {
    func host() -> [Finding] {
        var findings = [ok("configuration", file ?? "no file: the defaults, the environment and flags")]
        if let file, let trouble = Self.writableByOthers(file) { findings.append(failure("configuration", trouble)) }
        if let file, let trouble = readableSecret(file) { findings.append(warning("configuration", trouble)) }
        findings += configuration.notices.map { warning("configuration", $0) }
        if geteuid() == 0 {
            findings.append(
                warning(
                    "user", "root: the agent runs as SlurmUser; run this as that user too (for instance sudo -u slurm)")
            )
        }
        findings.append(stateFolder())
        for path in [configuration.bridgeSocket, configuration.controlSocket, configuration.admin.socket] {
            findings.append(socket(path))
        }
        if let clock = clock() { findings.append(clock) }
        return findings
    }

    /// Whoever can write it says as which user jobs run.
    private static func writableByOthers(_ file: String) -> String? {
        var status = stat()
        guard stat(file, &status) == 0 else { return nil }
        if status.st_mode & 0o022 != 0 { return "\(file): others may write it: chmod go-w \(file)" }
        guard status.st_uid == 0 || status.st_uid == geteuid() || geteuid() == 0 else {
            return "\(file): belongs to uid \(status.st_uid), who decides for the agent: chown root \(file)"
        }
        return nil
    }

    /// Addresses of nodes often have a key or a password in them.
    private func readableSecret(_ file: String) -> String? {
        var status = stat()
        let folder = file.lastIndex(of: "/").map { $0 == file.startIndex ? "/" : String(file[..<$0]) } ?? "."
        guard stat(file, &status) == 0, status.st_mode & 0o004 != 0, stat(folder, &status) == 0,
            status.st_mode & 0o001 != 0
        else { return nil }
        let keys = configuration.secretKeys(in: file)
        guard !keys.isEmpty else { return nil }
        return
            "\(file): every user of this host can read it, and \(keys.joined(separator: ", ")) has a key or password in it: "
            + "chmod 0640 \(file) and chgrp it to the group of the agent's user"
    }

    /// For advice: whose a file is.
    private static func name(of userID: UInt32) -> String {
        (try? UserAccount.find(userID: userID))?.name ?? "uid \(userID)"
    }

    private func stateFolder() -> Finding {
        let folder = configuration.stateFolder
        var status = stat()
        guard lstat(folder, &status) == 0 else {
            if errno != ENOENT { return unseen("state folder", folder) }
            return failure("state folder", "\(folder) is not there: make it, owned by SlurmUser, of mode 0700")
        }
        if status.st_mode & S_IFMT != S_IFDIR { return failure("state folder", "\(folder) is no folder") }
        if status.st_mode & 0o077 != 0 {
            return failure("state folder", "\(folder): others can enter it: chmod 0700 \(folder)")
        }
        // Who may not enter it sees nothing of what is in it.
        if geteuid() == 0 || status.st_uid == geteuid() {
            switch FileTrust(owner: status.st_uid).folder(folder) {
            case .fine, .missing: break
            case .unseen(let why): return warning("state folder", "cannot be looked at: \(why)")
            case .trouble(let why): return failure("state folder", why)
            }
        }
        guard access(folder, W_OK | X_OK) == 0 else {
            return failure(
                "state folder",
                "\(folder) belongs to \(Self.name(of: status.st_uid)), and this user cannot write it: run this as the agent's user; if "
                    + "that is another one, chown \(folder)")
        }
        var room = statvfs()
        if statvfs(folder, &room) == 0 {
            // A file system may claim any size.
            let (bytes, isMore) = UInt64(room.f_bavail).multipliedReportingOverflow(by: UInt64(room.f_frsize))
            let free = bytes >> 20
            if free < 100, !isMore {
                return warning("state folder", "\(folder): \(free) MiB are free: make room before it is full")
            }
        }
        return ok("state folder", folder)
    }

    private func socket(_ path: String) -> Finding {
        do {
            _ = try UnixSocketPath(path)
        } catch {
            return failure("socket", "\(error)")
        }
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "/"
        var status = stat()
        guard lstat(folder, &status) == 0 else {
            if errno != ENOENT { return unseen("socket", folder) }
            return running == nil
                ? ok("socket", "\(path): \(folder) is made at the start (systemd: RuntimeDirectory=)")
                : failure("socket", "\(folder) is gone: restart the agent")
        }
        if status.st_mode & S_IFMT != S_IFDIR {
            return failure("socket", "\(folder): is no folder (symbolic links are not followed)")
        }
        if status.st_mode & 0o022 != 0 {
            return failure("socket", "\(folder): others may write into it: chmod go-w \(folder)")
        }
        guard status.st_uid == 0 || status.st_uid == geteuid() || geteuid() == 0 else {
            return failure(
                "socket",
                "\(folder) belongs to \(Self.name(of: status.st_uid)): run this as the agent's user; if that is another one, chown "
                    + folder)
        }
        return ok("socket", path)
    }

    /// The kernel's word on whether something keeps the clock right. nil where it may not be asked.
    private func clock() -> Finding? {
        guard SlurmController.isClockSynchronised == false else { return nil }
        return warning(
            "clock",
            "nothing synchronises this host's clock: MUNGE and the grid's time need it right (start chrony, ntpd or "
                + "systemd-timesyncd, whichever this host has; apt install chrony)")
    }
}
