// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc

extension UnixSocketPath {
    /// A listening socket at the path, which never had other permissions than these: nobody can connect before it listens, and
    /// by then they are set, whatever the process's umask.
    ///
    /// - Returns: a descriptor that the caller owns.
    public func listen(mode: UInt32, backlog: Int32 = 64) throws(Problem) -> Int32 {
        let descriptor = socket(
            AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw problem("no socket can be made") }
        do throws(Problem) {
            // unix(7): the file gets the socket's own mode, less the umask.
            guard fchmod(descriptor, mode_t(mode)) == 0 else { throw problem("its mode cannot be set") }
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
            let bound = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            guard bound == 0 else { throw problem("cannot be made") }
            try setMode(mode)
            guard Glibc.listen(descriptor, backlog) == 0 else { throw problem("cannot be listened on") }
        } catch {
            close(descriptor)
            throw error
        }
        return descriptor
    }

    private func problem(_ what: String) -> Problem {
        Problem(description: "\(path): \(what): \(String(cString: strerror(errno)))")
    }
}
