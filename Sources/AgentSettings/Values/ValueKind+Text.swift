// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc

extension ValueKind where Value == String {
    package static var path: Self {
        Self("PATH", allowed: "absolute path") { text throws(Problem) in
            guard text.hasPrefix("/"), !text.utf8.contains(0), text.utf8.count < PATH_MAX else {
                throw Problem(description: "\(quoted(text)) is no absolute path; one begins with /")
            }
            return text
        }
    }

    /// A path that fits into a Unix socket's address (unix(7): 108 bytes with the NUL).
    package static var socket: Self {
        Self("PATH", allowed: "absolute path of at most 107 bytes") { text throws(Problem) in
            let path = try ValueKind<String>.path.read([text])
            guard path.utf8.count <= 107 else {
                throw Problem(
                    description:
                        "\(quoted(text)) has \(path.utf8.count) bytes; the path of a socket has at most 107")
            }
            return path
        }
    }

    /// Text without white space, such as the name of an image.
    package static func word(_ placeholder: String) -> Self {
        Self(placeholder, allowed: "text without spaces") { text throws(Problem) in
            guard !text.isEmpty, text.utf8.count <= 1024,
                text.unicodeScalars.allSatisfy({ $0.value > 32 && $0 != "\u{7f}" })
            else {
                throw Problem(
                    description:
                        "\(quoted(text)) is empty, too long, or has spaces; 1 to 1024 bytes without are allowed")
            }
            return text
        }
    }

    /// One partition's name.
    package static var partition: Self {
        Self("PARTITION", allowed: "name of a partition") { text throws(Problem) in
            guard !text.isEmpty, text.unicodeScalars.allSatisfy({ $0.value > 32 && $0 != "," && $0 != "\u{7f}" }) else {
                throw Problem(description: "\(quoted(text)) is no name of one partition; `sinfo` lists them")
            }
            return text
        }
    }

    /// A Unix login name, as the name service has it: of this host, `alice@example.org`, or `EXAMPLE\alice` (winbind, sssd).
    package static var login: Self {
        Self("USER", allowed: "login name") { text throws(Problem) in
            let letters = text.unicodeScalars.allSatisfy { scalar in
                // Directories have names with letters of all languages; some domains end in $.
                scalar.value < 0x80 ? Self.loginCharacters.contains(scalar) : scalar.properties.isAlphabetic
            }
            let parts = text.split(separator: "\\", omittingEmptySubsequences: false)
            guard letters, text.utf8.count <= 256, !text.hasPrefix("-"), !text.allSatisfy(\.isNumber), parts.count <= 2,
                !parts.contains("")
            else {
                throw Problem(
                    description:
                        "\(quoted(text)) is no login name; letters, digits and . _ - @ + $ make one, not digits alone; "
                        + #"a domain's name stands before one \"#)
            }
            return text
        }
    }

    private static let loginCharacters = Set(
        #"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-@+$\"#.unicodeScalars)

    package static var logLevel: Self {
        let levels = ["trace", "debug", "info", "notice", "warning", "error", "critical"]
        return Self("LEVEL", allowed: levels.joined(separator: ", ")) { text throws(Problem) in
            guard levels.contains(text) else {
                throw Problem(description: "\(quoted(text)) is no level; there are \(levels.joined(separator: ", "))")
            }
            return text
        }
    }

    /// A numeric address and a port.
    package static var listenAddress: Self {
        let kind = ValueKind<ListenAddress>.listenAddress
        return Self(kind.placeholder, allowed: kind.allowed) { text throws(Problem) in
            try kind.read([text]).description
        }
    }

    /// A name as a Host header has it; lower case.
    static var hostName: Self {
        Self("HOST", allowed: "host name without a port") { text throws(Problem) in
            let name = text.lowercased()
            let letters = name.utf8.allSatisfy { byte in
                byte >= 0x30 && byte <= 0x39 || byte >= 0x61 && byte <= 0x7a || ".-_".utf8.contains(byte)
            }
            guard letters, !name.isEmpty, name.utf8.count <= 253, !name.hasPrefix("."), !name.hasPrefix("-") else {
                throw Problem(
                    description: "\(quoted(text)) is no host name such as head.example.org; no port, no https://, no *")
            }
            return name
        }
    }
}

extension ValueKind where Value == ListenAddress {
    package static var listenAddress: Self {
        Self("ADDRESS:PORT", allowed: "numeric ADDRESS:PORT") { text throws(Problem) in
            guard let address = ListenAddress(text) else {
                throw Problem(
                    description: "\(quoted(text)) is no numeric ADDRESS:PORT such as 10.0.0.1:6821 or [fd00::1]:6821")
            }
            return address
        }
    }
}

extension ValueKind where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// One of a few words.
    package static var choice: Self {
        let words = Value.allCases.map(\.rawValue)
        return Self(words.joined(separator: "|"), allowed: words.joined(separator: " or "), show: \.rawValue) {
            text throws(Problem) in
            guard let value = Value(rawValue: text) else {
                throw Problem(description: "\(quoted(text)) is none of \(words.joined(separator: ", "))")
            }
            return value
        }
    }
}
