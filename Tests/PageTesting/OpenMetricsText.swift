// SPDX-License-Identifier: GPL-3.0-or-later

/// Reads OpenMetrics 1.0 text as the specification's grammar has it
/// (https://prometheus.io/docs/specs/om/open_metrics_spec/), for the kinds that the agent makes; stricter than needed where that is
/// simpler.
package struct OpenMetricsText {
    package struct Broken: Error, CustomStringConvertible {
        package var description: String
    }

    package struct Family {
        package var name: String
        package var kind: String
        package var unit: String?
        package var help: String?
        package var samples: [(name: String, labels: [String: String], value: Double)] = []
    }

    package private(set) var families: [String: Family] = [:]
    private var current: Family?
    private var seen: Set<String> = []

    package init(_ text: String) throws(Broken) {
        guard text.hasSuffix("# EOF\n") else { throw Broken(description: "does not end with # EOF") }
        guard !text.contains("\r") else { throw Broken(description: "has a carriage return") }
        for line in text.dropLast("# EOF\n".count).split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
            do throws(Broken) {
                if line.hasPrefix("# ") { try metadata(line.dropFirst(2)) } else { try sample(line) }
            } catch {
                throw Broken(description: "\(error.description): \(line)")
            }
        }
        try close()
    }

    private mutating func metadata(_ line: Substring) throws(Broken) {
        let words = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard words.count == 3, words[1].wholeMatch(of: #/[a-zA-Z_:][a-zA-Z0-9_:]*/#) != nil else {
            throw Broken(description: "metadata without a name and a value")
        }
        let name = String(words[1])
        if words[0] == "TYPE" {
            try close()
            guard families[name] == nil else { throw Broken(description: "the family is there twice") }
            guard ["gauge", "counter", "info", "stateset"].contains(words[2]) else { throw Broken(description: "kind") }
            current = Family(name: name, kind: String(words[2]))
            return
        }
        guard current?.name == name, current?.samples.isEmpty == true else {
            throw Broken(description: "metadata of another family, or behind a sample")
        }
        switch words[0] {
        case "UNIT":
            guard current?.unit == nil, name.hasSuffix("_" + words[2]) else { throw Broken(description: "unit") }
            current?.unit = String(words[2])
        case "HELP":
            guard current?.help == nil, !words[2].isEmpty else { throw Broken(description: "help") }
            current?.help = try Self.unescaped(words[2])
        default: throw Broken(description: "no TYPE, UNIT or HELP")
        }
    }

    private mutating func close() throws(Broken) {
        guard let family = current else { return }
        guard !family.samples.isEmpty else { throw Broken(description: "\(family.name) has no sample") }
        families[family.name] = family
        current = nil
    }

    private mutating func sample(_ line: Substring) throws(Broken) {
        guard let family = current else { throw Broken(description: "a sample of no family") }
        let name = line.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == ":") }
        let suffix = ["counter": "_total", "info": "_info"][family.kind] ?? ""
        guard name == family.name + suffix else { throw Broken(description: "not a sample of \(family.name)") }
        var rest = line.dropFirst(name.count)
        let labels = rest.hasPrefix("{") ? try Self.labels(&rest) : [:]
        guard rest.hasPrefix(" "), rest.dropFirst().wholeMatch(of: #/-?[0-9]+(\.[0-9]+)?/#) != nil,
            let value = Double(rest.dropFirst())
        else { throw Broken(description: "no value") }
        switch family.kind {
        case "info" where value != 1: throw Broken(description: "an info's value is 1")
        case "counter" where value < 0: throw Broken(description: "a counter is not negative")
        case "stateset" where ![0, 1].contains(value) || labels[family.name] == nil:
            throw Broken(description: "a state is 0 or 1, and named by the label \(family.name)")
        default: break
        }
        guard seen.insert("\(name)\(labels.sorted { $0.key < $1.key })").inserted else {
            throw Broken(description: "the series is there twice")
        }
        current?.samples.append((String(name), labels, value))
    }

    /// `{name="value",…}`, of which `text` loses that part.
    private static func labels(_ text: inout Substring) throws(Broken) -> [String: String] {
        var labels: [String: String] = [:]
        repeat {
            text.removeFirst()
            guard let match = text.prefixMatch(of: #/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\.)*)"/#) else {
                throw Broken(description: "no label")
            }
            guard labels.updateValue(try unescaped(match.2), forKey: String(match.1)) == nil else {
                throw Broken(description: "the label \(match.1) is there twice")
            }
            text = text[match.range.upperBound...]
        } while text.hasPrefix(",")
        guard text.hasPrefix("}") else { throw Broken(description: "labels do not end") }
        text.removeFirst()
        return labels
    }

    private static func unescaped(_ text: Substring) throws(Broken) -> String {
        var out = ""
        var rest = text
        while let character = rest.popFirst() {
            guard character == "\\" else {
                out.append(character)
                continue
            }
            switch rest.popFirst() {
            case "\\": out.append("\\")
            case "n": out.append("\n")
            case "\"": out.append("\"")
            default: throw Broken(description: "no such escape")
            }
        }
        return out
    }
}
