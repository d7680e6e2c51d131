// SPDX-License-Identifier: GPL-3.0-or-later

/// One key on the command line.
package struct ConfigurationFlag: Equatable, Sendable {
    /// As it was written, without hyphens: a name or an alias.
    package var key: String
    package var value: String

    package init(key: String, value: String) {
        (self.key, self.value) = (key, value)
    }
}

/// Reads the words after `run` as Go's flag package does: `-key` is `--key`, a value follows after `=` or as the next word,
/// a boolean needs none and takes none from the next word.
package struct FlagParser: Equatable {
    /// `--config`.
    package private(set) var file: String?
    package private(set) var flags: [ConfigurationFlag] = []
    package private(set) var asksForHelp = false

    package typealias Problem = AgentConfiguration.Problem

    package init(_ words: [String], _ schema: ConfigurationSchema) throws(Problem) {
        var words = words[...]
        var bareBoolean: String?
        while let word = words.popFirst() {
            guard word.hasPrefix("-"), word != "-", word != "--" else {
                if let key = bareBoolean, (try? ValueKind<Bool>.boolean.read([word])) != nil {
                    throw Problem(description: "\"\(word)\" stands alone: write --\(key)=\(word)")
                }
                throw Problem(description: "an argument belongs to no flag: a value follows its flag, or `=`")
            }
            bareBoolean = nil
            let body = word.dropFirst(word.hasPrefix("--") ? 2 : 1)
            let name = String(body.prefix { $0 != "=" })
            let value = name.count < body.count ? String(body.dropFirst(name.count + 1)) : nil
            switch name {
            case "h", "help":
                asksForHelp = true
            case "config":
                file = try Self.value(value, orNextOf: &words, name)
            default:
                guard let key = schema.named(name) else {
                    // Only the name: the rest may be a secret.
                    throw Problem(description: "--\(name): unknown key" + schema.suggestion(for: name))
                }
                switch key.form {
                case .boolean:
                    flags.append(ConfigurationFlag(key: name, value: value ?? "true"))
                    if value == nil { bareBoolean = name }
                case .secret:
                    throw Problem(
                        description:
                            "--\(name): every user of this machine can read a command line: take what stood there "
                            + "for known; \(key.advice)")
                case .single, .list, .pairs, .gone:
                    flags.append(
                        ConfigurationFlag(key: name, value: try Self.value(value, orNextOf: &words, name)))
                }
            }
        }
    }

    private static func value(
        _ value: String?, orNextOf words: inout ArraySlice<String>, _ name: String
    ) throws(Problem) -> String {
        if let value { return value }
        guard let word = words.first, !word.hasPrefix("-") else {
            throw Problem(
                description: "--\(name): its value is missing"
                    + (words.isEmpty ? "" : "; one that begins with - is written --\(name)=VALUE"))
        }
        words.removeFirst()
        return word
    }
}
