// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import Glibc
internal import Sockets

/// The helper's side: a short-lived process that systemd starts as root for one connection, and that becomes the user whose file
/// is asked for before it looks at anything.
///
/// It trusts nobody: who may ask is told by the kernel, and users and folders by its own command line.
public struct FileHelper: Sendable {
    /// Who may ask.
    public var peer: UInt32
    /// The lowest uid that it becomes.
    public var minimumUserID: UInt32
    /// Folders that are read besides the user's home.
    public var roots: [String]

    /// Seconds for all of it.
    private static let patience: UInt32 = 20

    public init(peer: UInt32, minimumUserID: UInt32, roots: [String]) {
        self.peer = peer
        self.minimumUserID = minimumUserID
        self.roots = roots
    }

    /// Serves the connection on a descriptor.
    ///
    /// - Returns: an exit status.
    public func serve(_ connection: Int32) -> Int32 {
        // However a disk hangs, and whoever sends by the letter.
        alarm(Self.patience)
        signal(SIGPIPE, SIG_IGN)
        // First, whoever it is: what is left unread would cost the other side its answer.
        let line = Self.line(connection)
        var asker = PeerCredentials()
        var size = socklen_t(MemoryLayout<PeerCredentials>.size)
        guard getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &asker, &size) == 0, asker.uid == peer else {
            return refuse(connection, .failed, "uid \(asker.uid) may not ask")
        }
        guard let line, let request = FileLine.decode(FileRequest.self, line) else {
            return refuse(connection, .failed, "not a request")
        }
        guard let user = account(request.userID) else {
            return refuse(connection, .refused, "there is no user of uid \(request.userID), or it is below the lowest")
        }
        guard become(user) else { return refuse(connection, .failed, "cannot become uid \(request.userID)") }
        return answer(request, home: user.home, on: connection)
    }

    /// As the user that this process is.
    func answer(_ request: FileRequest, home: String, on connection: Int32) -> Int32 {
        do throws(FileWalk.Failure) {
            let text = try done(request, below: [home] + roots)
            return Self.send(FileLine.encode(FileAnswer(kind: .text, size: text.count)) + text, connection) ? 0 : 1
        } catch {
            return Self.send(FileLine.encode(FileAnswer(kind: error.kind, why: error.why)), connection) ? 0 : 1
        }
    }

    private func done(_ request: FileRequest, below roots: [String]) throws(FileWalk.Failure) -> [UInt8] {
        let bytes = min(max(1, request.bytes), FileRequest.byteLimit)
        switch request.action {
        case nil:
            let file = try FileWalk.open(request.path, below: roots)
            defer { close(file) }
            return try FileWalk.tail(file, lines: min(max(1, request.lines), FileRequest.lineLimit), bytes: bytes)
        case .remove:
            try FileWalk.remove(request.path, below: roots, before: request.before ?? 0)
            return []
        case .removeFolder:
            try FileWalk.removeFolder(request.path, below: roots)
            return []
        case .list:
            return try FileWalk.list(request.path, below: roots, details: request.details == true, bytes: bytes)
        }
    }

    private func refuse(_ connection: Int32, _ kind: FileAnswer.Kind, _ why: String) -> Int32 {
        _ = Self.send(FileLine.encode(FileAnswer(kind: kind, why: why)), connection)
        return 77
    }

    // MARK: the user

    private struct User {
        var userID: UInt32
        var groupID: UInt32
        var name: String
        var home: String
    }

    private func account(_ userID: UInt32) -> User? {
        guard userID >= max(1, minimumUserID), let entry = getpwuid(userID)?.pointee, entry.pw_uid == userID else {
            return nil
        }
        return User(
            userID: userID, groupID: entry.pw_gid, name: String(cString: entry.pw_name),
            home: String(cString: entry.pw_dir))
    }

    /// For good.
    private func become(_ user: User) -> Bool {
        guard initgroups(user.name, user.groupID) == 0, setgid(user.groupID) == 0, setuid(user.userID) == 0 else {
            return false
        }
        let isUser = getuid() == user.userID && geteuid() == user.userID
        let isInGroup = getgid() == user.groupID && getegid() == user.groupID
        return isUser && isInGroup && setuid(0) != 0 && seteuid(0) != 0
    }

    // MARK: the connection

    /// Without its end; nil: there is none, or it is too long.
    private static func line(_ connection: Int32) -> [UInt8]? {
        var line: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while line.count <= FileRequest.sizeLimit {
            let count = chunk.withUnsafeMutableBytes { recv(connection, $0.baseAddress, $0.count, 0) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return nil }
            line += chunk[..<count]
            if let end = line.firstIndex(of: FileLine.end) { return Array(line[..<end]) }
        }
        return nil
    }

    private static func send(_ bytes: [UInt8], _ connection: Int32) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }
}
