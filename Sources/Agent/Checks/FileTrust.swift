// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import Glibc

/// Whether others than root and one user can change a file or folder, as MUNGE asks of its own.
struct FileTrust {
    /// Beside root.
    let owner: UInt32

    /// What lstat(2) says of a file.
    struct Facts: Equatable {
        enum Kind: Equatable { case folder, file, socket, link, other }

        var kind: Kind
        var owner: UInt32
        /// Permission bits, with the sticky one.
        var mode: UInt32
        var links: UInt64

        init(kind: Kind, owner: UInt32, mode: UInt32, links: UInt64 = 1) {
            (self.kind, self.owner, self.mode, self.links) = (kind, owner, mode, links)
        }

        init(_ status: stat) {
            kind =
                switch status.st_mode & S_IFMT {
                case S_IFDIR: .folder
                case S_IFREG: .file
                case S_IFSOCK: .socket
                case S_IFLNK: .link
                default: .other
                }
            owner = status.st_uid
            mode = status.st_mode & 0o7777
            links = UInt64(status.st_nlink)
        }
    }

    /// nil: nobody else can change it.
    func trouble(_ path: String, _ facts: Facts, is wanted: Facts.Kind) -> String? {
        guard facts.kind == wanted else {
            let word =
                facts.kind == .link ? "is a symbolic link" : "is not a \(wanted == .folder ? "folder" : "plain file")"
            return "\(path): \(word): move it away"
        }
        guard facts.owner == owner || facts.owner == 0 else {
            return "\(path): belongs to uid \(facts.owner), who can change it: chown it to uid \(owner), or remove it"
        }
        guard facts.mode & 0o022 == 0 else { return "\(path): others may write it: chmod go-w \(path)" }
        guard wanted != .file || facts.links == 1 else {
            return "\(path): has \(facts.links) names, so another folder leads to it too: find the other, or remove it"
        }
        return nil
    }

    /// A folder above: others may put something beside what is in it only when they cannot take that away (sticky).
    func troubleAbove(_ path: String, _ facts: Facts) -> String? {
        guard facts.owner == owner || facts.owner == 0 else {
            return "\(path): belongs to uid \(facts.owner), who can replace what is in it: chown it to root"
        }
        guard facts.mode & 0o022 == 0 || facts.mode & UInt32(S_ISVTX) != 0 else {
            return "\(path): others may replace what is in it: chmod go-w \(path)"
        }
        return nil
    }

    // MARK: on the disk

    enum Answer: Equatable {
        case fine
        case missing
        /// Not known: a folder that this user may not enter, or an error of the file system.
        case unseen(String)
        case trouble(String)
    }

    /// The folder, all above it, and each file in it.
    func folder(_ path: String) -> Answer {
        var above = path
        while let slash = above.lastIndex(of: "/"), above != "/" {
            above = slash == above.startIndex ? "/" : String(above[..<slash])
            switch Self.facts(above, followingLinks: true) {
            case .failure(let number): return number == ENOENT ? .missing : Self.unseen(above, number)
            case .success(let facts): if let trouble = troubleAbove(above, facts) { return .trouble(trouble) }
            }
        }
        switch Self.facts(path) {
        case .failure(let number): return number == ENOENT ? .missing : Self.unseen(path, number)
        case .success(let facts):
            if let trouble = trouble(path, facts, is: .folder) { return .trouble(trouble) }
        }
        return files(in: path)
    }

    private func files(in folder: String) -> Answer {
        guard let stream = opendir(folder) else { return Self.unseen(folder, errno) }
        defer { closedir(stream) }
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                // An error is not the end.
                return errno == 0 ? .fine : Self.unseen(folder, errno)
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard name != ".", name != ".." else { continue }
            let path = folder + "/" + name
            switch Self.facts(path) {
            case .failure(ENOENT): continue
            case .failure(let number): return Self.unseen(path, number)
            case .success(let facts):
                guard facts.kind != .socket else { continue }
                if let trouble = trouble(path, facts, is: facts.kind == .folder ? .folder : .file) {
                    return .trouble(trouble)
                }
            }
        }
    }

    private static func unseen(_ path: String, _ number: Int32) -> Answer {
        .unseen("\(path): \(String(cString: strerror(number)))")
    }

    private enum Looked {
        case success(Facts)
        case failure(Int32)
    }

    private static func facts(_ path: String, followingLinks: Bool = false) -> Looked {
        var status = stat()
        let result = followingLinks ? stat(path, &status) : lstat(path, &status)
        return result == 0 ? .success(Facts(status)) : .failure(errno)
    }
}
