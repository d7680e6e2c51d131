// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc

/// The output of a job, which its user may have put anything in place of.
public struct OutputFile: Sendable {
    public var text: String
    /// Its middle is left out, or its beginning.
    public var isCut = false

    init(text: String, isCut: Bool = false) {
        self.text = text
        self.isCut = isCut
    }

    /// The last lines, as the helper reads them.
    ///
    /// - Parameter lines: as many as it reads at most.
    public init(end: String, lines: Int) {
        self.init(text: end, isCut: end.utf8.count { $0 == UInt8(ascii: "\n") } >= lines)
    }

    /// What is read at most, of a longer one the first half of that and the last; a job prints less, for what programs print is
    /// cut first.
    static let limit = 16 << 20

    /// Blocks, as a disk does.
    /// - Parameter owner: whose file it has to be.
    static func read(_ path: String, owner: UInt32) throws(ResultError) -> OutputFile {
        try opened(path, owner: owner) { descriptor, size throws(ResultError) in
            guard size > limit else {
                return OutputFile(text: try part(of: descriptor, path, from: 0, limit))
            }
            let start = try part(of: descriptor, path, from: 0, limit / 2)
            let end = try part(of: descriptor, path, from: size - limit / 2, limit / 2)
            return OutputFile(text: start + "\n" + end, isCut: true)
        }
    }

    /// - Parameter body: gets a descriptor and the size.
    private static func opened<Result>(
        _ path: String, owner: UInt32, _ body: (Int32, Int) throws(ResultError) -> Result
    ) throws(ResultError) -> Result {
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
        return try body(descriptor, status.st_size)
    }

    /// The last bytes of it.
    static func tail(_ path: String, owner: UInt32, bytes: Int) throws(ResultError) -> String {
        try opened(path, owner: owner) { descriptor, size throws(ResultError) in
            try part(of: descriptor, path, from: max(0, size - bytes), bytes)
        }
    }

    private static func part(
        of descriptor: Int32, _ path: String, from offset: Int, _ size: Int
    ) throws(ResultError) -> String {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count < size {
            let count = buffer.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress, min($0.count, size - bytes.count), offset + bytes.count)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw ResultError("\(path): \(String(cString: strerror(errno)))") }
            if count == 0 { break }
            bytes.append(contentsOf: buffer.prefix(count))
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
