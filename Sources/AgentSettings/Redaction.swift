// SPDX-License-Identifier: GPL-3.0-or-later

internal import Support

/// Takes out of a text what nobody should read in a terminal or a log: user and password of addresses, and whatever has
/// the length of a private key (64 hexadecimal digits). It rather takes out too much.
func redacted(_ text: String) -> String {
    var result = ""
    var word = ""
    for scalar in text.unicodeScalars {
        // Everything else may be part of a password.
        if " \t\r\n\"".unicodeScalars.contains(scalar) {
            result += withoutSecret(word)
            result.unicodeScalars.append(scalar)
            word = ""
        } else {
            word.unicodeScalars.append(scalar)
        }
    }
    return result + withoutSecret(word)
}

/// What a message repeats of a value: in quotes, on one line, at most 80 characters, without secrets.
package func quoted(_ text: String) -> String {
    let all = PrintableText.of(redacted(text))
    return all.count <= 80 ? "\"\(all)\"" : "\"\(all.prefix(80))…\""
}

private let taken = "[redacted]"

private func withoutSecret(_ word: String) -> String {
    guard word.utf8.count >= 4 else { return word }
    let text = withoutKey(word)
    var start = text.startIndex
    if let scheme = firstRange(of: "://", in: text) {
        start = scheme.upperBound
    } else if !text.contains("@") {
        return text
    }
    let authority = text[start...].prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    guard let sign = text[start...].lastIndex(of: "@") else {
        // The rest of an address whose password had a comma or a space: what follows the colon is no port.
        guard let colon = authority.firstIndex(of: ":"), !authority.hasPrefix("["),
            // A port may end a sentence or an entry of a list.
            !authority[colon...].dropFirst().drop(while: \.isNumber).allSatisfy({ ".,;:)]}'".contains($0) })
        else { return text }
        return text[..<start] + taken
    }
    let isBefore = sign < authority.endIndex
    // Without a scheme `name@domain` is a name; with one, an @ behind the host's slash may be part of the path.
    let hasPassword = text[start..<sign].contains(":")
    guard start > text.startIndex ? isBefore || hasPassword : hasPassword else { return text }
    return text[..<start] + taken + text[sign...]
}

private func firstRange(of part: String, in text: String) -> Range<String.Index>? {
    var start = text.startIndex
    while start < text.endIndex {
        if text[start...].hasPrefix(part) { return start..<text.index(start, offsetBy: part.count) }
        start = text.index(after: start)
    }
    return nil
}

/// Replaces runs of exactly 64 hexadecimal digits.
private func withoutKey(_ word: String) -> String {
    var result = ""
    var run = ""
    func flush() {
        result += run.count == 64 ? taken : run
        run = ""
    }
    for character in word {
        // The x of 0x ends the run before.
        if character.isASCII, character.isHexDigit {
            run.append(character)
        } else {
            flush()
            result.append(character)
        }
    }
    flush()
    return result
}

extension AgentConfiguration {
    /// The keys whose values in this file hold a key or password.
    package func secretKeys(in file: String) -> [String] {
        let keys = schema.gateways.flatMap { $0.secretKeys(in: self) }
        return keys.filter { key in
            guard case .file(file, _)? = places[key] else { return false }
            return true
        }
    }
}
