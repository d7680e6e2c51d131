// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc

/// Removes what jobs left, and lists folders, as the user that this process is. No link is followed on the way, and none is
/// more than itself at the end of it.
extension FileWalk {
    /// Entries of a folder that is removed, and how deep it may be.
    private static let entryLimit = 100_000
    private static let depthLimit = 64

    /// - Parameter before: Unix seconds: a file that was written later is somebody's else, and stays.
    static func remove(_ path: String, below roots: [String], before: Int64) throws(Failure) {
        let (folder, name) = try parent(of: path, below: roots)
        defer { close(folder) }
        let found = try status(name, in: folder)
        guard found.st_mode & S_IFMT == S_IFREG else {
            throw Failure(kind: .refused, why: "\(name) is not a regular file")
        }
        guard Int64(found.st_mtim.tv_sec) <= before else {
            throw Failure(kind: .refused, why: "\(name) was written again since")
        }
        guard unlinkat(folder, name, 0) == 0 else { throw .of(errno, name) }
    }

    static func removeFolder(_ path: String, below roots: [String]) throws(Failure) {
        let (folder, name) = try parent(of: path, below: roots)
        defer { close(folder) }
        let found = try status(name, in: folder)
        guard found.st_mode & S_IFMT == S_IFDIR else { throw Failure(kind: .refused, why: "\(name) is not a folder") }
        var left = entryLimit
        try empty(name, in: folder, device: found.st_dev, depth: depthLimit, &left)
        guard unlinkat(folder, name, Int32(AT_REMOVEDIR)) == 0 else { throw .of(errno, name) }
    }

    private static func empty(
        _ name: String, in folder: Int32, device: dev_t, depth: Int, _ left: inout Int
    ) throws(Failure) {
        guard depth > 0 else { throw Failure(kind: .refused, why: "\(name) is too deep") }
        let own = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
        guard own >= 0 else { throw .of(errno, name) }
        defer { close(own) }
        var now = stat()
        guard fstat(own, &now) == 0, now.st_dev == device else {
            throw Failure(kind: .refused, why: "\(name) is another file system")
        }
        for entry in try names(in: own) {
            left -= 1
            guard left > 0 else { throw Failure(kind: .refused, why: "\(name) has too many entries") }
            if try status(entry, in: own).st_mode & S_IFMT == S_IFDIR {
                try empty(entry, in: own, device: device, depth: depth - 1, &left)
                guard unlinkat(own, entry, Int32(AT_REMOVEDIR)) == 0 else { throw .of(errno, entry) }
            } else {
                guard unlinkat(own, entry, 0) == 0 else { throw .of(errno, entry) }
            }
        }
    }

    // MARK: listing

    /// As the reference prints it: the folder and its sub-folders, each with a slash added, then its regular files; a file is
    /// itself. In the folder's own order.
    static func list(_ path: String, below roots: [String], details: Bool, bytes: Int) throws(Failure) -> [UInt8] {
        let absolute = path.hasPrefix("/") ? path : "/" + path
        let (root, names) = try checked(absolute, roots, orRoot: true)
        var list = Listing(details: details, limit: bytes)
        guard let last = names.last else {
            let folder = Glibc.open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK)
            guard folder >= 0 else { throw .of(errno, root) }
            defer { close(folder) }
            var own = stat()
            guard fstat(folder, &own) == 0 else { throw .of(errno, root) }
            list.add(path + "/", own)
            try list.add(entriesOf: folder, path)
            return list.text
        }
        let above = try folder(root, names.dropLast())
        defer { close(above) }
        let own = try status(last, in: above)
        switch own.st_mode & S_IFMT {
        case S_IFREG: list.add(path, own)
        case S_IFDIR:
            list.add(path + "/", own)
            let folder = openat(above, last, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
            // One that cannot be read is itself all the same.
            guard folder >= 0 else { break }
            defer { close(folder) }
            try list.add(entriesOf: folder, path)
        default: throw Failure(kind: .refused, why: "\(last) is neither a folder nor a regular file")
        }
        return list.text
    }

    private struct Listing {
        let details: Bool
        let limit: Int
        var lines: [[UInt8]] = []
        var size = 0

        var text: [UInt8] { Array(lines.joined(separator: [FileLine.end])) }

        mutating func add(_ name: String, _ status: stat) {
            let line =
                Array((details ? "\(status.st_mtim.tv_sec) \(status.st_size) " : "").utf8) + Array("/data\(name)".utf8)
            guard size + line.count < limit else { return }
            size += line.count + 1
            lines.append(line)
        }

        mutating func add(entriesOf folder: Int32, _ path: String) throws(Failure) {
            let before = path.hasSuffix("/") ? path : path + "/"
            var files: [(String, stat)] = []
            for name in try FileWalk.names(in: folder) {
                guard let found = try? FileWalk.status(name, in: folder) else { continue }
                switch found.st_mode & S_IFMT {
                case S_IFDIR: add(before + name + "/", found)
                case S_IFREG: files.append((before + name, found))
                default: break
                }
            }
            for (name, found) in files { add(name, found) }
        }
    }

    // MARK: parts

    private static func parent(of path: String, below roots: [String]) throws(Failure) -> (folder: Int32, name: String)
    {
        let (root, names) = try checked(path, roots)
        guard let last = names.last else { throw Failure(kind: .refused, why: "\(path) is a root") }
        return (try folder(root, names.dropLast()), last)
    }

    private static func status(_ name: String, in folder: Int32) throws(Failure) -> stat {
        var found = stat()
        guard fstatat(folder, name, &found, AT_SYMLINK_NOFOLLOW) == 0 else { throw .of(errno, name) }
        return found
    }

    /// In their order.
    private static func names(in folder: Int32) throws(Failure) -> [String] {
        // Its own place in the folder, and closed with the stream.
        let copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0 else { throw .of(errno, "the folder") }
        guard let stream = fdopendir(copy) else {
            close(copy)
            throw .of(errno, "the folder")
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream), names.count < entryLimit {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }
}
