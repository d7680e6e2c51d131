// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import Glibc

/// plugstack.conf as Slurm reads it (spank(8)): `optional` or `required` and a plugin, or `include` and a pattern of files.
enum Plugstack {
    /// - Returns: `file`, or the first one that it includes, whose lines name the plugin; nil: none that can be read does.
    static func file(naming plugin: String, from file: String) -> String? {
        place(naming: plugin, from: file)?.file
    }

    /// The same with the line.
    static func place(naming plugin: String, from file: String) -> (file: String, line: String)? {
        search(plugin, file, depth: 0)
    }

    private static func search(_ plugin: String, _ file: String, depth: Int) -> (file: String, line: String)? {
        guard depth < 8, let data = FileManager.default.contents(atPath: file) else { return nil }
        for line in String(decoding: data, as: UTF8.self).split(whereSeparator: \.isNewline) {
            let words = line.split(whereSeparator: \.isWhitespace)
            guard words.count > 1 else { continue }
            switch words[0] {
            case "optional", "required":
                if words[1].split(separator: "/").last == plugin[...] { return (file, String(line)) }
            case "include":
                // Debian's own plugstack.conf includes plugstack.conf.d/*.conf.
                for included in files(String(words[1]), beside: file) {
                    if let found = search(plugin, included, depth: depth + 1) { return found }
                }
            default: continue
            }
        }
        return nil
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
