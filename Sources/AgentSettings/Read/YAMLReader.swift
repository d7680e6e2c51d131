// SPDX-License-Identifier: GPL-3.0-or-later

package import Yams

/// The plain part of YAML that a configuration needs: mappings, lists and scalars of one document. Anchors, aliases and tags
/// are refused before anything is built of them, so that a few lines cannot become gigabytes.
package struct YAMLReader {
    package typealias Problem = AgentConfiguration.Problem

    package let text: String
    /// How messages name the text.
    package let file: String

    package init(text: String, file: String) {
        (self.text, self.file) = (text, file)
    }

    /// nil when there is nothing but comments.
    package func root() throws(Problem) -> Node? {
        if let line = YAMLNesting.lineTooDeep(text) { throw problem(line, "this is nested too deeply") }
        try refuseReferences()
        let root: Node?
        do {
            root = try Yams.compose(yaml: text, .default, .default, .utf8)
        } catch let error as YamlError {
            throw problem(error)
        } catch {
            throw problem(1, "is no YAML")
        }
        guard let root, !root.isEmptyScalar else { return nil }
        return root
    }

    // MARK: anchors, aliases, tags

    private static let indicators: Set<UInt8> = [UInt8(ascii: "&"), UInt8(ascii: "*"), UInt8(ascii: "!")]

    /// Whether `*` begins an alias or is a part of a word only the scanner knows. So each is replaced by a character that
    /// may be a part of a word and may not begin anything: the scanner stops at it exactly where it would have begun one.
    private func refuseReferences() throws(Problem) {
        guard text.utf8.contains(where: Self.indicators.contains) else { return }
        let marked = String(
            decoding: text.utf8.map { Self.indicators.contains($0) ? UInt8(ascii: "`") : $0 }, as: UTF8.self)
        do {
            _ = try Yams.compose(yaml: marked, .default, .default, .utf8)
        } catch let YamlError.scanner(_, _, mark, _) {
            switch character(at: mark) {
            case "&", "*":
                throw problem(mark.line, "anchors (&) and aliases (*) are not taken: write the value out, or in quotes")
            case "!":
                throw problem(mark.line, "tags (!) are not taken: write the value alone, or in quotes")
            default: break
            }
        } catch {
            // Told in the words for the text as it is.
        }
    }

    private func lines() -> [Substring.UnicodeScalarView.SubSequence] {
        text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
    }

    private func character(at mark: Mark) -> Unicode.Scalar? {
        let lines = lines()
        guard lines.indices.contains(mark.line - 1) else { return nil }
        return lines[mark.line - 1].dropFirst(mark.column - 1).first
    }

    // MARK: problems

    private func problem(_ line: Int, _ text: String) -> Problem {
        // What is missing at the end is missed behind the last line.
        let last = max(1, self.text.hasSuffix("\n") ? lines().count - 1 : lines().count)
        return Problem([.init(place: .file(file, line: min(max(1, line), last)), text: text)])
    }

    private func problem(_ error: YamlError) -> Problem {
        switch error {
        case .scanner(let context, let text, let mark, _), .parser(let context, let text, let mark, _):
            let (place, words) = words(text, context?.text ?? "", mark)
            let line =
                switch place {
                case .here: mark.line
                case .begin: context?.mark.line ?? mark.line
                case .above(let line): line
                }
            return problem(line, words)
        case .composer(_, let text, let mark, _):
            return problem(
                mark.line,
                text.contains("another document")
                    ? "a second document begins here (---): one file is one document" : "is no YAML: \(text)")
        case .duplicatedKeysInMapping(let names, let context):
            return duplicate(names.first ?? "", context.mark)
        case .reader(let text, let offset, _, let yaml):
            return problem(1 + yaml.prefix(offset ?? 0).count { $0.isNewline }, "is no YAML: \(text)")
        default:
            return problem(1, "is no YAML, or is nested too deeply")
        }
    }

    /// Which line to name: where it broke, where the construct began, another one.
    private enum Blame {
        case here, begin
        case above(Int)
    }

    /// libyaml's words in ours.
    private func words(_ text: String, _ context: String, _ mark: Mark) -> (Blame, String) {
        let before = linePart(before: mark)
        let isFirst = before.allSatisfy { $0 == " " || $0 == "\t" }
        switch text {
        case _ where text.contains("tab character"), _ where character(at: mark) == "\t":
            return (.here, "a tab indents this line: YAML takes only spaces")
        case "mapping values are not allowed in this context":
            // A word alone goes on in the next line.
            if isAlone(before), let line = wordAlone(above: mark.line) {
                return (.above(line), "this line is no `key: value`: a colon and a space follow the key")
            }
            return (
                .here,
                before.contains(": ")
                    ? "a second \": \" in one line: put a value that has one into quotes"
                    : "this line is indented deeper than the one above, which has a value already: keys of one level begin in the same column"
            )
        case "found character that cannot start any token":
            let character = character(at: mark).map { "\($0)" } ?? "this character"
            return (.here, "a value cannot begin with \(character): put it into quotes")
        case "could not find expected ':'":
            return (.begin, "this line is no `key: value`: a colon and a space follow the key")
        case "found unexpected end of stream", "found unexpected document indicator":
            return (.begin, "the quote that opens here is not closed")
        case "did not find expected ',' or ']'":
            return (.begin, "the [ that opens here is not closed: its entries are separated by commas, and ] closes it")
        case "did not find expected ',' or '}'":
            return (.begin, "the { that opens here is not closed: its entries are separated by commas, and } closes it")
        case "did not find expected '-' indicator":
            return (
                .here,
                "this line stands among list entries and does not begin with -, or is indented otherwise than they are"
            )
        case "did not find expected key" where isFirst && character(at: mark) == "-":
            return (.here, "a list entry (-) stands where a `key: value` belongs")
        case "did not find expected key" where !isFirst:
            return (
                .here,
                "something follows a quoted value or a closed bracket; a ' inside '…' is written '', a \" inside \"…\" \\\""
            )
        case "did not find expected key", "did not find expected <document start>":
            return (.here, "this line does not fit those above: keys of one level begin in the same column")
        case "did not find expected node content":
            return (.here, "a value is missing, or begins with a character that needs quotes")
        case "block sequence entries are not allowed in this context":
            return (.here, "a list entry (-) begins on a line of its own, or the list is written [a, b]")
        case "mapping keys are not allowed in this context":
            return (.here, "a value cannot begin with ?: put it into quotes")
        case _ where context.contains("quoted scalar"):
            return (
                .here, "in double quotes a backslash begins an escape: write \\\\ for a backslash, or use single quotes"
            )
        case _ where context.contains("block scalar"):
            return (.begin, "a value that begins with | or > needs quotes")
        case _ where context.contains("directive"):
            return (.begin, "a line cannot begin with %: put the key into quotes, or remove the line")
        case _ where text.contains("nesting level"):
            return (.here, "this is nested too deeply")
        default:
            return (.here, "is no YAML: \(text)")
        }
    }

    private func isAlone(_ text: String) -> Bool { !text.contains(": ") && !text.trimmed.isEmpty }

    /// The line above, when there is no colon in it.
    private func wordAlone(above line: Int) -> Int? {
        let above = lines().prefix(line - 1).enumerated().last {
            !String(String.UnicodeScalarView($0.element)).trimmed.isEmpty
        }
        guard let above else { return nil }
        let text = String(String.UnicodeScalarView(above.element)).trimmed
        return text.contains(": ") || text.hasSuffix(":") || text.hasPrefix("-") || text.hasPrefix("#")
            ? nil : above.offset + 1
    }

    private func linePart(before mark: Mark) -> String {
        let lines = lines()
        guard lines.indices.contains(mark.line - 1) else { return "" }
        return String(String.UnicodeScalarView(lines[mark.line - 1].prefix(mark.column - 1)))
    }

    /// Only the first place comes with the error: the next is looked for below it.
    private func duplicate(_ name: String, _ first: Mark) -> Problem {
        let isKey = { (line: Substring.UnicodeScalarView.SubSequence, column: Int) -> Bool in
            let indentation = line.prefix { $0 == " " }.count
            let key = String(String.UnicodeScalarView(line.dropFirst(indentation).prefix { $0 != ":" })).trimmed
            return indentation == column && key.trimmingQuotes == name
        }
        let below = lines().enumerated().dropFirst(first.line)
        let second = below.first { isKey($0.element, first.column - 1) }.map { $0.offset + 1 }
        return Problem([
            .init(
                place: .file(file, line: second ?? first.line), key: name.isEmpty ? nil : String(name.prefix(80)),
                text: "is given twice" + (second == nil ? "" : "; the first one is in line \(first.line)"))
        ])
    }
}

extension Node {
    /// `key:` with nothing behind it.
    package var isEmptyScalar: Bool { scalar.map { $0.string.isEmpty && $0.style == .plain } ?? false }

    /// Where it begins, from 1.
    package var line: Int { mark?.line ?? 1 }
}

extension String {
    fileprivate var trimmingQuotes: String {
        for quote in ["\"", "'"] where count >= 2 && hasPrefix(quote) && hasSuffix(quote) {
            return String(dropFirst().dropLast())
        }
        return self
    }
}
