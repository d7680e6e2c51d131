// SPDX-License-Identifier: GPL-3.0-or-later

internal import Yams

// The three places that a configuration comes from. Each says where a problem is, in its own way.
extension AgentConfiguration {
    // MARK: the file

    mutating func take(yaml: String, file: String) throws(Problem) {
        let root: Node?
        do {
            root = try Yams.compose(yaml: yaml)
        } catch {
            throw Problem(
                description: "\(file): \(String(describing: error).split(separator: "\n").joined(separator: " "))")
        }
        guard let root else { return }
        if root.scalar?.string.isEmpty == true { return }
        var seen: Set<String> = []
        try take(root, under: "", file: file, &seen)
    }

    /// `a: {b: x}` and `a.b: x` are the same; `enable` in a mapping is the boolean of the mapping's own name.
    private mutating func take(
        _ node: Node, under prefix: String, file: String, _ seen: inout Set<String>
    ) throws(Problem) {
        guard let mapping = node.mapping else {
            throw Problem(description: "\(file):\(node.mark?.line ?? 1): expects `key: value` lines")
        }
        for (keyNode, value) in mapping {
            let place = "\(file):\(keyNode.mark?.line ?? 1)"
            let own = ConfigurationKey.named(String(prefix.dropLast()))
            let isOwn = keyNode.string == "enable" && own?.form == .boolean
            let name = isOwn ? String(prefix.dropLast()) : prefix + (keyNode.string ?? "")
            let key = ConfigurationKey.named(name)
            if ConfigurationKey.isPrefix(name), key == nil || (value.mapping != nil && !isOwn) {
                try take(value, under: name + ".", file: file, &seen)
                continue
            }
            guard let key else {
                throw Problem(description: "\(place): unknown key \"\(name)\"" + ConfigurationKey.suggestion(for: name))
            }
            guard seen.insert(key.name).inserted else {
                throw Problem(description: "\(place): \(name): is given twice")
            }
            guard let values = key.values(value) else {
                throw Problem(description: "\(place): \(name): \(key.expectation)")
            }
            try set(key, values, place: "\(place): \(name)")
        }
    }

    // MARK: the environment

    /// The agent's own variables win over today's supervisor's. An empty one is as good as none.
    mutating func take(environment: [String: String]) throws(Problem) {
        for key in ConfigurationKey.all {
            let names = [key.variable] + [key.supervisorVariable].compactMap { $0 }
            guard let name = names.first(where: { environment[$0]?.isEmpty == false }), let text = environment[name]
            else { continue }
            try set(key, key.values(text), place: name)
        }
        if environment[ChainSettings.keyVariable] != nil {
            chain.keyInEnvironment = ChainSettings.keyVariable
        }
        // Variables may have this prefix for other reasons: only what looks like a mistake is told.
        let known = ConfigurationKey.all.map(\.variable)
        for name in environment.keys.sorted()
        where name.hasPrefix(ConfigurationKey.variablePrefix) && !known.contains(name) {
            guard let nearest = known.first(where: { ConfigurationKey.editDistance(name, $0) <= 2 }) else { continue }
            notify("the environment variable \(name) means nothing here; \(nearest) would")
        }
    }

    // MARK: the command line

    /// The values of a list add up; of the others the last one counts.
    mutating func take(flags: [ConfigurationFlag]) throws(Problem) {
        var values: [String: [String]] = [:]
        // In the order of their last mention: `--trace --log-level info` is info.
        var order: [ConfigurationKey] = []
        for flag in flags {
            guard let key = ConfigurationKey.named(flag.key) else {
                throw Problem(
                    description: "--\(flag.key): unknown key" + ConfigurationKey.suggestion(for: flag.key))
            }
            let isList = key.form == .list || key.form == .pairs
            values[key.name] = (isList ? values[key.name] ?? [] : []) + key.values(flag.value)
            order.removeAll { $0.name == key.name }
            order.append(key)
        }
        for key in order { try set(key, values[key.name] ?? [], place: "--\(key.name)") }
    }

    private mutating func set(_ key: ConfigurationKey, _ values: [String], place: String) throws(Problem) {
        do throws(Problem) {
            try key.set(&self, values)
        } catch {
            throw Problem(description: "\(place): \(error)")
        }
    }
}

extension ConfigurationKey {
    /// What a YAML node says; nil when it has not the form of this key.
    fileprivate func values(_ node: Node) -> [String]? {
        if let scalar = node.scalar { return values(scalar.string) }
        switch form {
        case .gone, .secret: return []
        case .single, .boolean: return nil
        case .list, .pairs:
            if let sequence = node.sequence {
                let texts = sequence.compactMap { $0.scalar?.string.trimmed }
                return texts.count == sequence.count ? texts : nil
            }
            guard form == .pairs, let mapping = node.mapping else { return nil }
            let texts = mapping.compactMap { name, value in
                name.string.flatMap { name in value.scalar.map { "\(name)=\($0.string)" } }
            }
            return texts.count == mapping.count ? texts : nil
        }
    }

    fileprivate var expectation: String {
        switch form {
        case .list: "takes one value or a list of them"
        case .pairs: "takes a list of \(placeholder.prefix { $0 != "," }) or a mapping"
        case .single, .boolean, .gone, .secret: "takes one value"
        }
    }
}
