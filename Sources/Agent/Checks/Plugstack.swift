// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc

/// plugstack.conf as Slurm reads it (spank(8)): `optional` or `required` and a plugin, or `include` and a pattern of files.
enum Plugstack {
    enum Answer: Equatable {
        /// `file`, or the first one that it includes, whose lines name the plugin.
        case named(in: String)
        case notNamed
        /// A file that may name it cannot be read.
        case unreadable(String)
    }

    /// More files, or larger ones, no site has.
    private static let fileLimit = 256
    private static let sizeLimit = 1 << 20

    static func search(for plugin: String, in file: String) -> Answer {
        var search = Search(plugin: plugin)
        return search.look(in: file)
    }

    /// The file and the line that name the plugin; nil: none that can be read does.
    static func place(naming plugin: String, from file: String) -> (file: String, line: String)? {
        var search = Search(plugin: plugin)
        guard case .named(let found) = search.look(in: file) else { return nil }
        return (found, search.line)
    }

    private struct Search {
        let plugin: String
        /// Which names it.
        var line = ""
        /// Each file once: they may include each other, and themselves.
        var seen: Set<String> = []

        mutating func look(in file: String) -> Answer {
            guard seen.count < fileLimit, seen.insert(file).inserted else { return .notNamed }
            let text: String
            switch read(file) {
            case .success(let content): text = content
            case .failure(let trouble): return trouble.isMissing ? .notNamed : .unreadable(trouble.description)
            }
            var answer = Answer.notNamed
            for line in text.split(whereSeparator: \.isNewline) {
                let words = line.split(whereSeparator: \.isWhitespace)
                guard words.count > 1 else { continue }
                switch words[0] {
                case "optional", "required":
                    if words[1].split(separator: "/").last == plugin[...] {
                        self.line = String(line)
                        return .named(in: file)
                    }
                case "include":
                    // Debian's own plugstack.conf includes plugstack.conf.d/*.conf.
                    for included in files(String(words[1]), beside: file) {
                        let found = look(in: included)
                        if case .named = found { return found }
                        if answer == .notNamed { answer = found }
                    }
                default: continue
                }
            }
            return answer
        }
    }

    private struct Trouble: Error {
        var description: String
        var isMissing = false
    }

    private static func read(_ file: String) -> Result<String, Trouble> {
        func trouble(_ why: String = String(cString: strerror(errno))) -> Result<String, Trouble> {
            .failure(Trouble(description: "\(file): \(why)"))
        }
        // Opening a pipe must not wait for its writer.
        let descriptor = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            return errno == ENOENT ? .failure(Trouble(description: file, isMissing: true)) : trouble()
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return trouble() }
        guard status.st_mode & S_IFMT == S_IFREG else { return trouble("no regular file") }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while bytes.count < sizeLimit {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return trouble() }
            if count == 0 { return .success(String(decoding: bytes, as: UTF8.self)) }
            bytes += chunk[..<count]
        }
        return trouble("larger than \(sizeLimit) bytes")
    }

    /// A pattern without a leading / is taken from the folder of the file that has it.
    private static func files(_ pattern: String, beside file: String) -> [String] {
        let folder = file.lastIndex(of: "/").map { file[...$0] } ?? ""
        var found = glob_t()
        defer { globfree(&found) }
        guard glob(pattern.hasPrefix("/") ? pattern : folder + pattern, 0, nil, &found) == 0 else { return [] }
        return (0..<Int(found.gl_pathc)).compactMap { found.gl_pathv[$0].map { String(cString: $0) } }
    }
}
