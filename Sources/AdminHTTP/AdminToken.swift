// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
internal import Support

/// What a client on TCP has to show. Read once; never logged.
package struct AdminToken: Sendable, CustomStringConvertible {
    package struct Problem: Error, Equatable, CustomStringConvertible {
        package var description: String

        package init(description: String) {
            self.description = description
        }
    }

    static let minimumLength = 16
    private static let sizeLimit = 4096

    package let bytes: [UInt8]

    /// - Parameter file: of this user or root, with a mode of 0600 or 0400; 0640 and 0440 for root's own with this user's group.
    ///   One line of visible ASCII characters; blanks and line ends around it do not count.
    /// - Throws: what is wrong with the file, and what to do.
    package init(file path: String) throws(Problem) {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard file >= 0 else {
            let number = errno
            let advice =
                switch number {
                case ENOENT:
                    ": make it: (umask 077; head -c 32 /dev/urandom | base64 >\(path)), owned by uid \(geteuid())"
                case EACCES: ": " + FileFault.advice(reading: path)
                case ELOOP: ": it is a link; name the file itself"
                default: ""
                }
            throw Problem(description: "\(path): \(String(cString: strerror(number)))\(advice)")
        }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw Problem(description: "\(path): is no regular file")
        }
        guard status.st_uid == geteuid() || status.st_uid == 0 else {
            throw Problem(
                description:
                    "\(path): belongs to uid \(status.st_uid), who could change it: chown \(geteuid()) \(path)")
        }
        guard status.st_mode & 0o037 == 0 else {
            throw Problem(
                description: "\(path): others can read or change it: chmod 0600 \(path), and write a new token into it")
        }
        guard status.st_size <= Self.sizeLimit else {
            throw Problem(description: "\(path): is larger than \(Self.sizeLimit) bytes: a token is one line")
        }
        var content = [UInt8](repeating: 0, count: Self.sizeLimit)
        let count = Glibc.read(file, &content, content.count)
        guard count >= 0 else { throw Problem(description: "\(path): \(String(cString: strerror(errno)))") }
        let isBlank: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0d).contains($0) }
        let token = Array(content[..<count].drop(while: isBlank).reversed().drop(while: isBlank).reversed())
        guard !token.isEmpty else { throw Problem(description: "\(path): is empty: write a token into it") }
        guard token.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw Problem(description: "\(path): a token is one line of visible ASCII characters, without blanks")
        }
        guard token.count >= Self.minimumLength else {
            throw Problem(
                description: "\(path): has \(token.count) characters; a token has at least \(Self.minimumLength)")
        }
        bytes = token
    }

    /// Takes as long whatever is wrong with what was given.
    func matches(_ given: some Collection<UInt8>) -> Bool {
        ConstantTime.equal(given, bytes)
    }

    package var description: String { "<token>" }
}
