// SPDX-License-Identifier: GPL-3.0-or-later

/// Text for a POSIX shell.
enum ShellText {
    /// One word, whatever is in it; plain words stay as they are.
    static func word(_ text: String) -> String {
        if !text.isEmpty, text.utf8.allSatisfy(isPlain) { return text }
        // By bytes: for a shell a quote is one also with a combining mark behind it.
        var quoted: [UInt8] = [UInt8(ascii: "'")]
        for byte in text.utf8 {
            if byte == UInt8(ascii: "'") { quoted += "'\\'".utf8 }
            quoted.append(byte)
        }
        return String(decoding: quoted + [UInt8(ascii: "'")], as: UTF8.self)
    }

    /// The same, but `$HOME` and `$USER` are the shell's.
    static func path(_ text: String) -> String {
        var rest = text[...]
        var words = ""
        while !rest.isEmpty {
            if let name = ["$HOME", "$USER", "${HOME}", "${USER}"].first(where: { rest.hasPrefix($0) }) {
                words += name.hasPrefix("${") ? name : "${\(name.dropFirst())}"
                rest = rest.dropFirst(name.count)
            } else {
                let literal = rest.prefix(1) + rest.dropFirst().prefix { $0 != "$" }
                words += word(String(literal))
                rest = rest.dropFirst(literal.count)
            }
        }
        return words
    }

    /// The same as a user of this host sees it.
    static func path(_ text: String, home: String, user: String) -> String {
        text.replacing("${HOME}", with: home).replacing("${USER}", with: user).replacing("$HOME", with: home)
            .replacing("$USER", with: user)
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        default: "._/:@%+,-".utf8.contains(byte)
        }
    }
}
