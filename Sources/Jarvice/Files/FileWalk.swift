// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc

/// Opens files below folders that are trusted, and follows no link on the way.
enum FileWalk {
    struct Failure: Error, Sendable, Equatable {
        var kind: FileAnswer.Kind
        var why: String

        /// - Parameter number: of an open that failed.
        static func of(_ number: Int32, _ name: String) -> Failure {
            let why = "\(name): \(String(cString: strerror(number)))"
            return switch number {
            case ENOENT, EACCES, EPERM, ENOTDIR: Failure(kind: .nothing, why: why)
            case ELOOP, ENXIO: Failure(kind: .refused, why: "\(name) is a link, or nothing that is read")
            default: Failure(kind: .failed, why: why)
            }
        }
    }

    /// A regular file, opened for reading.
    ///
    /// - Parameter roots: absolute; links in these themselves are followed.
    static func open(_ path: String, below roots: [String]) throws(Failure) -> Int32 {
        let (root, names) = try checked(path, roots)
        guard let last = names.last else { throw Failure(kind: .refused, why: "\(path) is not a regular file") }
        let folder = try folder(root, names.dropLast())
        defer { close(folder) }
        // Looked at before it is opened: to open a device may do something.
        var before = stat()
        guard fstatat(folder, last, &before, AT_SYMLINK_NOFOLLOW) == 0 else { throw .of(errno, last) }
        guard isFile(before) else { throw Failure(kind: .refused, why: "\(last) is not a regular file") }
        let file = openat(folder, last, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard file >= 0 else { throw .of(errno, last) }
        var now = stat()
        guard fstat(file, &now) == 0, isFile(now), now.st_dev == before.st_dev, now.st_ino == before.st_ino else {
            close(file)
            throw Failure(kind: .refused, why: "\(last) was changed meanwhile")
        }
        return file
    }

    /// The root, and what is below it.
    static func checked(
        _ path: String, _ roots: [String], orRoot: Bool = false
    ) throws(Failure) -> (root: String, names: [String]) {
        guard let found = split(path, roots, orRoot: orRoot) else {
            throw Failure(kind: .refused, why: "\(path) is not below a folder that is read")
        }
        return found
    }

    /// A folder below a root, by folders that are no links.
    static func folder(_ root: String, _ names: ArraySlice<String>) throws(Failure) -> Int32 {
        var folder = Glibc.open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK)
        guard folder >= 0 else { throw .of(errno, root) }
        for name in names {
            let next = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
            let number = errno
            close(folder)
            guard next >= 0 else { throw .of(number, name) }
            folder = next
        }
        return folder
    }

    private static func isFile(_ status: stat) -> Bool { status.st_mode & S_IFMT == S_IFREG }

    /// The longest root that the path is below, and the names from there on.
    /// - Parameter orRoot: the root itself too.
    static func split(
        _ path: String, _ roots: [String], orRoot: Bool = false
    ) -> (root: String, names: [String])? {
        guard !path.utf8.contains(0) else { return nil }
        let all = path.split(separator: "/").map(String.init)
        guard path.hasPrefix("/"), !all.contains(where: { $0 == ".." || $0 == "." }) else { return nil }
        let fitting = roots.filter { $0.hasPrefix("/") }.map { root in
            (root: root, parts: root.split(separator: "/").map(String.init))
        }.filter {
            !$0.parts.isEmpty && all.count > $0.parts.count - (orRoot ? 1 : 0)
                && Array(all.prefix($0.parts.count)) == $0.parts
        }
        return fitting.max { $0.parts.count < $1.parts.count }.map { ($0.root, Array(all.dropFirst($0.parts.count))) }
    }

    /// The last lines, of the last bytes.
    static func tail(_ file: Int32, lines: Int, bytes: Int) throws(Failure) -> [UInt8] {
        var status = stat()
        guard fstat(file, &status) == 0 else { throw .of(errno, "the file") }
        let size = Int(status.st_size)
        let from = max(0, size - bytes)
        var text = [UInt8](repeating: 0, count: size - from)
        var filled = 0
        while filled < text.count {
            let count = text[filled...].withUnsafeMutableBytes {
                pread(file, $0.baseAddress, $0.count, off_t(from + filled))
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Failure(kind: .failed, why: String(cString: strerror(errno))) }
            // It has become shorter.
            if count == 0 { break }
            filled += count
        }
        text.removeLast(text.count - filled)
        // The end of the last line is none between two.
        var place = text.count - (text.last == FileLine.end ? 1 : 0)
        var start = 0
        for left in (0..<max(1, lines)).reversed() {
            guard let end = text[..<place].lastIndex(of: FileLine.end) else { break }
            place = end
            if left == 0 { start = end + 1 }
        }
        return Array(text[start...])
    }
}
