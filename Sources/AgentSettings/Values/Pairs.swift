// SPDX-License-Identifier: GPL-3.0-or-later

/// NAME=VALUE.
package struct Pair: Hashable, Sendable {
    package var name: String
    package var value: String

    package init(name: String, value: String) {
        (self.name, self.value) = (name, value)
    }

    /// Reads each; the value may have `=` too. No name twice.
    ///
    /// - Parameter isSecret: no message repeats what was written.
    package static func read(
        _ values: [String], _ form: String, isSecret: Bool = false
    ) throws(AgentConfiguration.Problem) -> [Pair] {
        var pairs: [Pair] = []
        for (index, text) in values.enumerated() {
            guard let sign = text.firstIndex(of: "="), sign > text.startIndex else {
                let what = isSecret ? "entry \(index + 1)" : quoted(text)
                throw AgentConfiguration.Problem(description: "\(what) is no \(form)").of(index: index)
            }
            let name = text[..<sign].trimmed
            guard !pairs.contains(where: { $0.name == name }) else {
                throw AgentConfiguration.Problem(description: "\(quoted(name)) is given twice").of(index: index)
            }
            pairs.append(Pair(name: name, value: text[text.index(after: sign)...].trimmed))
        }
        return pairs
    }
}

extension ValueKind where Value == [Pair] {
    /// Shown without the values: there may be a password among them.
    package static var variables: Self {
        Self(
            form: .pairs, "NAME=VALUE,…", allowed: "pairs NAME=VALUE", show: { shown($0.map(\.name)) }
        ) { values throws(Problem) in
            try Pair.read(
                values, "NAME=VALUE; a value with a comma is possible in YAML, as an entry of a mapping", isSecret: true
            )
        }
    }
}
