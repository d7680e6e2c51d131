// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
internal import Support

/// Where calls are recorded: a file for its owner alone. When it is full it becomes `….1`, in place of the one before. Blocks.
struct DialogueFile: Sendable {
    struct Problem: Error, Sendable, CustomStringConvertible {
        var description: String
    }

    let path: String
    /// Bytes of each of the two.
    var limit = 8 << 20

    /// All of the text, or none.
    func append(_ text: String) throws(Problem) {
        let bytes = Array(text.utf8)
        let (file, size) = try opened(for: bytes.count)
        defer { close(file) }
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let problem = problem("write")
                // Half a line is none.
                _ = ftruncate(file, off_t(size))
                throw problem
            }
            written += count
        }
    }

    private func opened(for count: Int) throws(Problem) -> (file: Int32, size: Int) {
        let (file, size) = try open()
        guard size > 0, size + count > limit else { return (file, size) }
        close(file)
        guard rename(path, path + ".1") == 0 else { throw problem("rename") }
        return try open()
    }

    private func open() throws(Problem) -> (file: Int32, size: Int) {
        let file = Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
        guard file >= 0 else { throw problem("open") }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_uid == geteuid(),
            status.st_nlink == 1
        else {
            close(file)
            throw Problem(description: "\(path) is not a file of this user's alone: move it away")
        }
        guard status.st_mode & 0o777 == 0o600 || fchmod(file, 0o600) == 0 else {
            defer { close(file) }
            throw problem("chmod")
        }
        return (file, Int(status.st_size))
    }

    private func problem(_ call: String) -> Problem {
        let number = errno
        return Problem(
            description: FileFault.advice(writing: path) ?? "\(path): \(call): \(String(cString: strerror(number)))")
    }
}
