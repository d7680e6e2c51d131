// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc

/// Where a Unix socket is to be, and whether that is safe.
public struct UnixSocketPath: Sendable, Hashable {
    public struct Problem: Error, Sendable, CustomStringConvertible {
        public var description: String
    }

    /// Which file a path leads to.
    public struct Identity: Sendable, Hashable {
        var device: UInt64
        var inode: UInt64
    }

    public let path: String

    /// - Throws: for a path that does not fit into an address; it is never cut.
    public init(_ path: String) throws(Problem) {
        let limit = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1
        guard path.hasPrefix("/"), path.utf8.count <= limit, !path.utf8.contains(0) else {
            throw Problem(description: "\(path): a socket's path is absolute and has at most \(limit) bytes")
        }
        self.path = path
    }

    private var folder: String {
        let end = path.lastIndex(of: "/") ?? path.startIndex
        return end == path.startIndex ? "/" : String(path[..<end])
    }

    /// Makes the folder if it can, checks that nobody else can put things into it, and removes what a dead process left
    /// at the path.
    public func prepare() throws(Problem) {
        var status = stat()
        if lstat(folder, &status) != 0 {
            guard errno == ENOENT, mkdir(folder, 0o755) == 0, lstat(folder, &status) == 0 else {
                throw Problem(
                    description:
                        "\(folder): \(words): install -d -m 0755 -o \(geteuid()) \(folder) (systemd: RuntimeDirectory=)"
                )
            }
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw Problem(description: "\(folder) is not a folder (symbolic links are not followed)")
        }
        guard status.st_uid == geteuid() || status.st_uid == 0 else {
            throw Problem(
                description:
                    "\(folder): belongs to uid \(status.st_uid), who could replace the socket: chown \(geteuid()) \(folder)"
            )
        }
        guard status.st_mode & 0o022 == 0 else {
            throw Problem(description: "\(folder): others may write into it: chmod go-w \(folder)")
        }
        guard lstat(path, &status) == 0 else {
            // Only what is known not to be there is not.
            if errno == ENOENT { return }
            throw Problem(description: "\(path): cannot be looked at: \(words)")
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw Problem(description: "\(path) is there and is not a socket: move it away")
        }
        if try answers() {
            throw Problem(description: "\(path): another process listens there: stop it first")
        }
        guard unlink(path) == 0 else { throw Problem(description: "\(path): cannot be removed: \(words)") }
    }

    /// Which file is at the path now; nil when there is none, or it cannot be looked at.
    public var identity: Identity? {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        return Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }

    /// Whether the path is known to lead to another file now, or to none. What cannot be looked at for a moment is still there.
    public func hasLost(_ mine: Identity) -> Bool {
        errno = 0
        if let identity { return identity != mine }
        return [ENOENT, ENOTDIR, ELOOP].contains(errno)
    }

    public func setMode(_ mode: UInt32) throws(Problem) {
        guard chmod(path, mode_t(mode)) == 0 else {
            throw Problem(description: "\(path): its mode cannot be set: \(words)")
        }
    }

    /// - Throws: when that cannot be found out, as without a free descriptor: the socket may be somebody's.
    private func answers() throws(Problem) -> Bool {
        let descriptor = socket(
            AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw Problem(description: "\(path): whether it is in use: \(words)") }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        // A full backlog is a sign of life too. Nobody listens where the connection is refused, or the file is gone by now.
        if result == 0 || errno == EAGAIN { return true }
        guard errno == ECONNREFUSED || errno == ENOENT else {
            // Somebody else made it, who may listen there.
            let advice = errno == EACCES ? ": ss -xlp says whose it is; end that one, or remove the file" : ""
            throw Problem(description: "\(path): whether it is in use: \(words)\(advice)")
        }
        return false
    }

    private var words: String { String(cString: strerror(errno)) }
}
