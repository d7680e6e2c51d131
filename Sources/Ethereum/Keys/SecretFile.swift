// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
internal import Support

/// A file with a secret: read only when nobody else could have read it.
enum SecretFile {
    /// Larger than any keystore.
    private static let limit = 64 * 1024

    /// - Parameter isCredential: in systemd's credentials folder, whose files may belong to root and be readable through an
    ///   access list, which shows as group bits.
    static func read(_ path: String, isCredential: Bool = false) throws(KeyError) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard file >= 0 else {
            let number = errno
            let advice =
                number == EACCES ? ": " + FileFault.advice(reading: path) : number == ELOOP ? ": it is a link" : ""
            throw KeyError(.missing, "\(path): \(String(cString: strerror(number)))\(advice)")
        }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw KeyError(.missing, "\(path): no regular file")
        }
        guard status.st_uid == geteuid() || status.st_uid == 0 else {
            throw KeyError(.exposed, "\(path): belongs to uid \(status.st_uid): chown \(geteuid()) \(path)")
        }
        guard status.st_mode & (isCredential ? 0o007 : 0o077) == 0 else {
            throw KeyError(
                .exposed, "\(path): others can read it: chmod 0600 \(path), and think of the key as known to them")
        }
        guard status.st_size <= limit else { throw KeyError(.malformed, "\(path): larger than \(limit) bytes") }
        var bytes = [UInt8](repeating: 0, count: limit)
        var filled = 0
        while filled < limit {
            let got = fill(&bytes, from: file, at: filled)
            if got == 0 { break }
            guard got > 0 else { throw KeyError(.missing, "\(path): \(String(cString: strerror(errno)))") }
            filled += got
        }
        let content = Array(bytes[..<filled])
        wipe(&bytes)
        return content
    }

    /// Reads into a buffer's rest, without a copy that nobody would wipe.
    static func fill(_ bytes: inout [UInt8], from descriptor: Int32, at filled: Int) -> Int {
        bytes.withUnsafeMutableBytes { buffer in
            guard let start = buffer.baseAddress, filled < buffer.count else { return 0 }
            return Glibc.read(descriptor, start + filled, buffer.count - filled)
        }
    }

    /// Makes a file of mode 0600 that was not there before, on the disk when this returns.
    static func create(_ path: String, _ content: [UInt8]) throws(KeyError) {
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else {
            let why = errno == EEXIST ? "is there already; nothing was changed" : String(cString: strerror(errno))
            throw KeyError(.failed, "\(path): \(why)")
        }
        defer { close(file) }
        let written = content.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
        guard written == content.count, fsync(file) == 0 else {
            let why = String(cString: strerror(errno))
            unlink(path)
            throw KeyError(.failed, "\(path): could not be written: \(why)")
        }
    }
}
