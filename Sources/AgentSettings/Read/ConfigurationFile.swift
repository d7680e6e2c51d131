// SPDX-License-Identifier: GPL-3.0-or-later

package import Glibc

/// The configuration's file as text. Whatever lies under that name, it is read in bounded time and memory.
package enum ConfigurationFile {
    package typealias Problem = AgentConfiguration.Problem

    package static let standard = "/etc/slurm-grid-agent/config.yaml"
    /// Bytes.
    static let limit = 1 << 20

    /// The file to read: the one that was named, or the usual one. nil only when that is not there; one that this user may not
    /// look at is an error for later, not the same as none.
    package static func path(named name: String?) -> String? {
        if let name { return name }
        return access(standard, F_OK) == 0 || errno != ENOENT ? standard : nil
    }

    /// - Parameters:
    ///   - missing: what to do where there is no such file.
    ///   - check: of the file that is read, before that.
    package static func read(
        _ path: String, missing: String = "--config names another one",
        check: (stat) throws(Problem) -> Void = { _ in }
    ) throws(Problem) -> String {
        // Opening a pipe must not wait for its writer.
        let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { throw problem(path, errno, missing: missing) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw problem(path, errno) }
        switch status.st_mode & S_IFMT {
        case S_IFREG, S_IFCHR: break
        case S_IFDIR: throw Problem(description: "\(path): is a folder: name a file in it")
        default: throw Problem(description: "\(path): is not a file but a pipe or a device")
        }
        try check(status)
        var bytes: [UInt8] = []
        while bytes.count <= limit {
            let count = withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 16) { buffer in
                let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
                if count > 0 { bytes += buffer[..<count] }
                return count
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw problem(path, errno) }
            guard count > 0 else { return try text(bytes, path) }
        }
        throw Problem(description: "\(path): is larger than 1 MiB: that is no configuration of the agent")
    }

    /// The bytes as text. Throws for what is none, with the line.
    static func text(_ bytes: [UInt8], _ path: String) throws(Problem) -> String {
        if bytes.starts(with: [0xff, 0xfe]) || bytes.starts(with: [0xfe, 0xff]) {
            throw problem(path, 1, "the file is UTF-16: save it as UTF-8")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw problem(path, lineOfBrokenText(bytes), "this line is not UTF-8: save the file as UTF-8")
        }
        var line = 1
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x0a: line += 1
            case 0: throw problem(path, line, "this line has a NUL byte: remove it")
            case 0x09, 0x0d, 0x85: break
            case ..<0x20, 0x7f..<0xa0, 0xfffe, 0xffff:
                let code = String(scalar.value, radix: 16, uppercase: true)
                let digits = String(repeating: "0", count: max(0, 4 - code.count)) + code
                throw problem(path, line, "this line has a control character (U+\(digits)): remove it")
            default: break
            }
        }
        return text
    }

    private static func lineOfBrokenText(_ bytes: [UInt8]) -> Int {
        var line = 1
        for part in bytes.split(separator: 0x0a, omittingEmptySubsequences: false) {
            if String(validating: part, as: UTF8.self) == nil { return line }
            line += 1
        }
        return line
    }

    private static func problem(_ path: String, _ line: Int, _ text: String) -> Problem {
        Problem([.init(place: .file(path, line: line), text: text)])
    }

    private static func problem(_ path: String, _ code: Int32, missing: String = "") -> Problem {
        let why =
            switch code {
            case ENOENT: "is not there" + (missing.isEmpty ? "" : "; \(missing)")
            case EACCES, EPERM:
                "may not be read by this user (uid \(geteuid())): chown and chmod it and its folder so that it may"
            case ELOOP: "is a symbolic link that leads to itself"
            case ENOTDIR: "is not there: what should be a folder on the way is none"
            default: "cannot be read: " + String(cString: strerror(code))
            }
        return Problem(description: "\(path): \(why)")
    }
}
