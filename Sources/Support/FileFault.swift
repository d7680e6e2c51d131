// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc

/// What the file system shows of a database file that cannot be opened or written.
public enum FileFault {
    /// What is in the way, and what to do about it; nil: nothing is seen.
    public static func advice(writing path: String) -> String? {
        for file in [path, path + "-wal", path + "-shm"] {
            var status = stat()
            guard lstat(file, &status) == 0 else { continue }
            guard status.st_mode & S_IFMT == S_IFREG else { return "\(file) is not a regular file: move it away" }
            if let trouble = trouble(file, status, R_OK | W_OK, mode: "0600") { return trouble }
        }
        let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        var status = stat()
        guard stat(folder, &status) == 0 else {
            return errno == ENOENT
                ? "\(folder) is not there: make it, owned by this user, of mode 0700"
                : "\(folder): \(String(cString: strerror(errno))): a folder above it cannot be entered by this user"
        }
        if let trouble = trouble(folder, status, W_OK | X_OK, mode: "0700") { return trouble }
        var room = statvfs()
        if isOutOfFiles(folder) { return "the file system of \(folder) can hold no more files (df -i): remove some" }
        guard statvfs(folder, &room) == 0, room.f_blocks > 0, room.f_bavail == 0 else { return nil }
        return "the disk of \(folder) is full: make room on its file system"
    }

    /// What to do about a file system that may not be written.
    public static func readOnly(_ path: String) -> String {
        "its file system is mounted read-only (does the disk fail?): mount -o remount,rw \(mountPoint(of: path))"
    }

    /// The folder at which the file system of a path is mounted.
    private static func mountPoint(of path: String) -> String {
        var status = stat()
        guard stat(path, &status) == 0 else { return path }
        let device = status.st_dev
        var path = path
        while path != "/", let slash = path.lastIndex(of: "/") {
            let above = slash == path.startIndex ? "/" : String(path[..<slash])
            guard stat(above, &status) == 0, status.st_dev == device else { break }
            path = above
        }
        return path
    }

    /// Whether there is room, and no more files can be made all the same.
    public static func isOutOfFiles(_ folder: String) -> Bool {
        var room = statvfs()
        return statvfs(folder, &room) == 0 && room.f_files > 0 && room.f_favail == 0
    }

    private static func trouble(_ path: String, _ status: stat, _ wanted: Int32, mode: String) -> String? {
        guard access(path, wanted) != 0 else { return nil }
        if errno == EROFS { return "\(path): \(readOnly(path))" }
        if status.st_uid == geteuid() { return "\(path) is shut to its own owner: chmod \(mode) \(path)" }
        return "\(path) belongs to uid \(status.st_uid), not to this user: chown \(geteuid()) \(path)"
    }

    /// What to do about a file that may not be read: whose it is decides.
    public static func advice(reading path: String) -> String {
        var status = stat()
        let owner = lstat(path, &status) == 0 ? status.st_uid : nil
        return advice(reading: path, owner: owner, user: geteuid())
    }

    /// - Parameter owner: nil: a folder above hides it.
    static func advice(reading path: String, owner: UInt32?, user: UInt32) -> String {
        guard let owner else { return "a folder above it cannot be entered by uid \(user): chmod o+x that folder" }
        return owner == user ? "it is shut to its own owner: chmod 0600 \(path)" : "chown \(user) \(path)"
    }

    /// Bytes that may still be written there; nil: not known.
    public static func room(in folder: String) -> UInt64? {
        var room = statvfs()
        guard statvfs(folder, &room) == 0, room.f_blocks > 0 else { return nil }
        // A file system may claim any size.
        let (bytes, isMore) = UInt64(room.f_bavail).multipliedReportingOverflow(by: UInt64(room.f_frsize))
        return isMore ? .max : bytes
    }
}
