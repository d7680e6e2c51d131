// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc

/// Reads the output of a job, which its user may have put anything in place of.
enum OutputFile {
    /// What is read at most; a job prints less, for what programs print is cut first.
    static let limit = 16 << 20

    /// Blocks, as a disk does.
    /// - Parameter owner: whose file it has to be.
    static func read(_ path: String, owner: UInt32) throws(ResultError) -> String {
        // A pipe would keep us waiting.
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { throw ResultError("\(path): \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw ResultError("\(path) is no file")
        }
        guard status.st_uid == owner else {
            throw ResultError("\(path) belongs to uid \(status.st_uid), not to the job's user")
        }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count < limit {
            let count = buffer.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw ResultError("\(path): \(String(cString: strerror(errno)))") }
            if count == 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes.append(contentsOf: buffer.prefix(count))
        }
        throw ResultError("\(path) is longer than \(limit >> 20) MiB: a job prints a few at most")
    }
}
