// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc

extension PrivateKey {
    /// Writes the key to a file of mode 0600 that is not there yet: bare, or as a keystore under the password in the other
    /// file.
    public func save(to path: String, passwordFile: String?) throws(KeyError) {
        var content: [UInt8]
        if let passwordFile {
            var password = try SecretFile.read(passwordFile)
            defer { wipe(&password) }
            // As it will be read: without the end of its line.
            if password.last == 10 { password.removeLast() }
            if password.last == 13 { password.removeLast() }
            guard !password.isEmpty else { throw KeyError(.password, "\(passwordFile): holds no password") }
            content = try Keystore.seal(self, password: password)
        } else {
            content = []
            content.reserveCapacity(65)
            withSecret { secret in
                for byte in secret { content += [Hex.digit(byte >> 4), Hex.digit(byte & 15)] }
            }
            content.append(10)
        }
        defer { wipe(&content) }
        try SecretFile.create(path, content)
    }

    /// Reads 64 digits from a pipe, a file or a terminal, which shows nothing meanwhile.
    public static func read(from descriptor: Int32) throws(KeyError) -> PrivateKey {
        var terminal = termios()
        let isTerminal = tcgetattr(descriptor, &terminal) == 0
        if isTerminal {
            var silent = terminal
            silent.c_lflag &= ~tcflag_t(ECHO)
            tcsetattr(descriptor, TCSAFLUSH, &silent)
        }
        defer { if isTerminal { tcsetattr(descriptor, TCSAFLUSH, &terminal) } }
        var text = [UInt8](repeating: 0, count: 256)
        defer { wipe(&text) }
        var filled = 0
        while filled < text.count {
            let got = SecretFile.fill(&text, from: descriptor, at: filled)
            guard got > 0 else { break }
            filled += got
            if text[..<filled].contains(10) { break }
        }
        return try PrivateKey(parse(Array(text[..<filled])))
    }
}
