// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
internal import Support

/// The folder that holds what the agent must not forget: its own, shut to others, used by one agent at a time.
final class StateFolder {
    let path: String
    private let lock: Int32

    struct Problem: Error, CustomStringConvertible {
        var description: String
    }

    /// Makes the folder when its parent is there, and locks it until the value goes away.
    init(_ path: String) throws(Problem) {
        func words() -> String { String(cString: strerror(errno)) }
        if mkdir(path, 0o700) != 0, errno != EEXIST {
            throw Problem(
                description: "\(path): cannot be made (\(words())): install -d -m 0700 -o \(Self.user) \(path)")
        }
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw Problem(description: "\(path) is not a folder: move it away")
        }
        guard status.st_uid == geteuid() else {
            throw Problem(
                description: "\(path): belongs to uid \(status.st_uid): chown \(Self.user) \(path)")
        }
        guard status.st_mode & 0o077 == 0 else {
            throw Problem(description: "\(path): others can enter it: chmod 0700 \(path)")
        }
        let file = path + "/lock"
        lock = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard lock >= 0 else {
            let why = words()
            throw Problem(
                description: "\(file): " + (FileFault.advice(writing: file).map { "\(why): \($0)" } ?? why))
        }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            let why = words()
            close(lock)
            throw Problem(description: "\(path): another agent uses it (\(why)): stop that one first")
        }
        self.path = path
    }

    deinit {
        close(lock)
    }

    /// As chown(1) takes it.
    private static var user: String { Checks.account(of: geteuid()) }
}
