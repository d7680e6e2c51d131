// SPDX-License-Identifier: GPL-3.0-or-later

extension ConfigurationSchema {
    /// Completes a message about a name that is no key.
    func suggestion(for name: String) -> String {
        if let key = keys.first(where: { ([$0.variable, $0.supervisorVariable] as [String?]).contains(name) }) {
            return "; that is an environment variable, the key is \"\(key.name)\""
        }
        let names = nearest(to: name).map { "\"\($0)\"" }
        guard let last = names.last else { return "; `slurm-grid-agent config reference` lists all keys" }
        let first = names.dropLast().joined(separator: ", ")
        return "; did you mean \(first.isEmpty ? last : "\(first) or \(last)")?"
    }

    /// The keys that look most like it; none when it is far from all.
    private func nearest(to name: String) -> [String] {
        // Of a long word a few letters may differ, of a short one none but the first parts.
        let limit = min(3, max(1, name.count / 3))
        let lastPart = name.split(separator: ".").last.map(String.init) ?? ""
        var best: (distance: Int, names: [String]) = (limit, [])
        for key in keys where key.isSettable {
            let distance =
                if key.name.hasSuffix("." + name) || name.hasSuffix("." + key.name) {
                    1
                } else if lastPart.count >= 4, lastPart != name, key.name.hasSuffix("." + lastPart) {
                    min(limit, ConfigurationKey.editDistance(name, key.name))
                } else {
                    ConfigurationKey.editDistance(name, key.name)
                }
            if distance < best.distance { best = (distance, []) }
            if distance == best.distance { best.names.append(key.name) }
        }
        guard best.names.isEmpty else { return best.names.count <= 3 ? best.names : [] }
        // A wrong first part, with keys below it.
        return prefixes.filter { ConfigurationKey.editDistance(name, $0) <= min(2, limit) }
    }

    /// What keys begin with and is none itself: `bridge`, `metascheduler.endpoint`.
    private var prefixes: [String] {
        let all = keys.filter(\.isSettable).flatMap { key in
            key.name.indices.filter { key.name[$0] == "." }.map { String(key.name[..<$0]) }
        }
        return Set(all).filter { named($0) == nil }.sorted()
    }
}

extension ConfigurationKey {
    /// Insertions, deletions and replacements that turn one into the other (Levenshtein).
    package static func editDistance(_ one: String, _ other: String) -> Int {
        // Far longer than any key: not worth the product of both lengths.
        guard one.utf8.count <= 100 else { return .max }
        let other = Array(other.utf8)
        var row = Array(0...other.count)
        for (index, byte) in one.utf8.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for column in other.indices {
                let replaced = diagonal + (byte == other[column] ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(replaced, diagonal + 1, row[column] + 1)
            }
        }
        return row[other.count]
    }
}
