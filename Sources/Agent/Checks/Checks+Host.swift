// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
internal import Slurm
internal import Sockets
internal import Support

/// This host: the configuration, folders, sockets and the clock.
extension Checks {
    func host() -> [Finding] {
        var findings = [ok("configuration", file ?? "no file: the defaults, the environment and flags")]
        if let file, let trouble = Self.writableByOthers(file) { findings.append(failure("configuration", trouble)) }
        if let file, let trouble = readableSecret(file) { findings.append(warning("configuration", trouble)) }
        findings += configuration.notices.map { warning("configuration", $0) }
        if geteuid() == 0 {
            findings.append(
                unknown(
                    "user",
                    because:
                        "this is root, while the agent runs as SlurmUser: what only that user sees is as root sees it. Where systemd "
                        + "runs the agent, `slurm-grid-agent check` becomes that user by itself; else: sudo -u slurm slurm-grid-agent check"
                ))
        }
        findings.append(stateFolder())
        for path in [configuration.bridgeSocket, configuration.controlSocket, configuration.admin.socket] {
            findings.append(socket(path))
        }
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
    static func name(of userID: UInt32) -> String {
        (try? UserAccount.find(userID: userID))?.name ?? "uid \(userID)"
    }

    /// As chown(1) takes it.
    static func account(of userID: UInt32) -> String {
        (try? UserAccount.find(userID: userID))?.name ?? "\(userID)"
    }

    private func stateFolder() -> Finding {
        let folder = configuration.stateFolder
        var status = stat()
        guard lstat(folder, &status) == 0 else {
            if errno != ENOENT { return unseen("state folder", folder) }
            return failure("state folder", "\(folder) is not there: \(Self.making(folder))")
        }
        if status.st_mode & S_IFMT != S_IFDIR {
            return failure("state folder", "\(folder) is not a folder: move it away, then \(Self.making(folder))")
        }
        if status.st_mode & 0o077 != 0 {
            return failure("state folder", "\(folder): others can enter it: chmod 0700 \(folder)")
        }
        // Who may not enter it sees nothing of what is in it.
        if geteuid() == 0 || status.st_uid == geteuid() {
            switch FileTrust(owner: status.st_uid).folder(folder) {
            case .fine, .missing: break
            case .unseen(let why): return unknown("state folder", because: "it cannot be looked at: \(why)")
            case .trouble(let why): return failure("state folder", why)
            }
        }
        guard access(folder, W_OK | X_OK) == 0 else {
            let number = errno
            guard number != EROFS else {
                return failure("state folder", "\(folder): \(FileFault.readOnly(folder))")
            }
            guard status.st_uid != geteuid() else {
                return failure("state folder", "\(folder) is shut to its own owner: chmod 0700 \(folder)")
            }
            return failure("state folder", notOurs(folder, status, "cannot write it"))
        }
        if let trouble = ownersOfFiles(in: folder, owner: status.st_uid) {
            return failure("state folder", trouble)
        }
        if FileFault.isOutOfFiles(folder) {
            return failure(
                "state folder",
                "\(folder): its file system can hold no more files (df -i), nothing is claimed: remove some")
        }
        if let room = FileFault.room(in: folder) {
            let free = room >> 20
            if room < Self.fullBelow {
                return failure(
                    "state folder", "\(folder): the disk is full (\(free) MiB are free), nothing is claimed: make room")
            }
            if free < 100 {
                return warning("state folder", "\(folder): \(free) MiB are free: make room before it is full")
            }
        }
        return ok("state folder", folder)
    }

    /// What makes the state folder.
    private static func making(_ folder: String) -> String {
        let user = geteuid() == 0 ? "SLURMUSER" : account(of: geteuid())
        return "install -d -m 0700 -o \(user) \(folder)"
    }

    /// Somebody else's folder. The agent that runs is who must be able to use it; a command may be run by anybody.
    private func notOurs(_ folder: String, _ status: stat, _ trouble: String) -> String {
        let user = Self.account(of: geteuid())
        let command = "chown \(user) \(folder)"
        let owner = "\(folder) belongs to \(Self.name(of: status.st_uid))"
        return running != nil
            ? "\(owner), and the agent, which runs as \(user), \(trouble): \(command)"
            : "\(owner), and \(user), who asks, \(trouble): run this as root; if the agent runs as \(user): \(command)"
    }

    /// Bytes. With less than that a commit may fail any moment.
    static let fullBelow: UInt64 = 4 << 20

    /// A command that root ran may have left a file that the agent cannot write.
    private func ownersOfFiles(in folder: String, owner: UInt32) -> String? {
        let databases = ["ledger.sqlite"] + modules.flatMap(\.stateFiles)
        let names = databases.flatMap { name in ["", "-wal", "-shm"].map { name + $0 } } + ["lock"]
        for path in names.map({ folder + "/" + $0 }) {
            var status = stat()
            guard lstat(path, &status) == 0 else { continue }
            guard status.st_uid == owner else {
                return "\(path) belongs to \(Self.name(of: status.st_uid)), and the agent cannot write it: "
                    + "chown \(Self.account(of: owner)) \(path)"
            }
            guard status.st_mode & 0o600 == 0o600 else {
                return "\(path) is shut to its own owner: chmod 0600 \(path)"
            }
        }
        return nil
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
                : failure("socket", "\(folder) is gone, nobody can come in: systemctl restart slurm-grid-agent")
        }
        if status.st_mode & S_IFMT != S_IFDIR {
            return failure("socket", "\(folder) is not a folder (symbolic links are not followed)")
        }
        if status.st_mode & 0o022 != 0 {
            return failure("socket", "\(folder): others may write into it: chmod go-w \(folder)")
        }
        guard status.st_uid == 0 || status.st_uid == geteuid() || geteuid() == 0 else {
            return failure("socket", notOurs(folder, status, "can make no socket that others cannot replace"))
        }
        if lstat(path, &status) == 0, status.st_mode & S_IFMT != S_IFSOCK {
            return failure("socket", "\(path) is there and is not a socket: move it away")
        }
        return ok("socket", path)
    }

    /// Where nobody may be asked an agent that runs says nothing: that is no trouble of its own.
    static func clock(_ isSynchronised: Bool?, isRunning: Bool, isContainer: Bool) -> Finding? {
        switch isSynchronised {
        case true?: return nil
        case false?:
            let text =
                isContainer
                ? "nothing synchronises the clock of the machine that this container runs on: MUNGE and the grid's time "
                    + "need it right (there, not here: start chrony, ntpd or systemd-timesyncd)"
                : "nothing synchronises this host's clock: MUNGE and the grid's time need it right (start chrony, "
                    + "ntpd or systemd-timesyncd, whichever this host has; apt install chrony)"
            return Finding(level: .warning, subject: "clock", text: text)
        case nil:
            return isRunning
                ? nil
                : Finding(
                    level: .unknown, subject: "clock",
                    text: "because neither the kernel nor systemd-timedated tells whether something synchronises it: "
                        + "timedatectl")
        }
    }
}
