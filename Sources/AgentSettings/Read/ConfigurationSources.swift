// SPDX-License-Identifier: GPL-3.0-or-later

internal import Yams

// The three places that a configuration comes from. Each goes on after a fault, and throws all that it found at the end.
extension AgentConfiguration {
    // MARK: the file

    mutating func take(yaml: String, file: String) throws(Problem) {
        guard let root = try YAMLReader(text: yaml, file: file).root() else { return }
        var reading = Reading(file: file)
        take(root, at: root.line, under: "", &reading)
        guard reading.problem.items.isEmpty else { throw reading.problem }
    }

    private struct Reading {
        let file: String
        /// The line of each key that was there.
        var seen: [String: Int] = [:]
        var problem = Problem([])

        /// More are not told: to look for what each was to be takes its time.
        static let limit = 100
        var isFull: Bool { problem.items.count >= Self.limit }

        mutating func found(_ line: Int, key: String? = nil, _ text: String) {
            guard !isFull else { return }
            problem.add(Problem([.init(place: .file(file, line: line), key: key, text: text)]))
        }
    }

    /// `a: {b: x}` and `a.b: x` are the same; `enable` in a mapping is the boolean of the mapping's own name.
    private mutating func take(_ node: Node, at line: Int, under prefix: String, _ reading: inout Reading) {
        let parent = String(prefix.dropLast())
        guard let mapping = node.mapping else {
            // All below it may have been commented out.
            guard !node.isEmptyScalar else { return }
            let isList = node.sequence != nil
            guard !parent.isEmpty else {
                return reading.found(line, "expects `key: value` lines" + (isList ? ", no list" : ""))
            }
            let keys = schema.below(parent).prefix(3).joined(separator: ", ")
            return reading.found(
                line, key: parent,
                "has no value of its own: `key: value` lines belong below it\(keys.isEmpty ? "" : ", for \(keys)")")
        }
        for (keyNode, value) in mapping {
            let line = keyNode.line
            guard let word = keyNode.scalar?.string else {
                reading.found(line, key: parent.isEmpty ? nil : parent, "a key is one word, no list and no mapping")
                continue
            }
            let isOwn = word == "enable" && schema.named(parent)?.form == .boolean
            take(value, of: isOwn ? parent : prefix + word, line: line, isOwn: isOwn, &reading)
        }
    }

    private mutating func take(_ value: Node, of name: String, line: Int, isOwn: Bool, _ reading: inout Reading) {
        let key = schema.named(name)
        if schema.isPrefix(name), key == nil || (value.mapping != nil && !isOwn) {
            return take(value, at: line, under: name + ".", &reading)
        }
        guard let key else {
            guard !reading.isFull else { return }
            return reading.found(
                line,
                name.hasSuffix("<<")
                    ? "merge keys (<<) are not taken: write the keys out"
                    : "unknown key \(quoted(name))" + schema.suggestion(for: name))
        }
        if let first = reading.seen.updateValue(line, forKey: key.name) {
            return reading.found(line, key: name, "is given twice; the first one is in line \(first)")
        }
        guard let values = key.values(value) else {
            return reading.found(line, key: name, key.expectation(insteadOf: value))
        }
        do throws(Problem) {
            try set(key, values.map(\.text), .file(reading.file, line: line), name: name)
        } catch {
            // One among several is told by its own line.
            let items = error.items.map { item in
                var item = item
                if let index = item.index, values.indices.contains(index) {
                    item.place = .file(reading.file, line: values[index].line)
                }
                return item
            }
            reading.problem.add(Problem(Array(items.prefix(Reading.limit))))
        }
    }

    // MARK: the environment

    /// The agent's own variables win over today's supervisor's. An empty one is as good as none.
    mutating func take(environment: [String: String]) throws(Problem) {
        var problem = Problem([])
        for key in schema.keys {
            let names =
                [key.variable] + [key.supervisorVariable].compactMap { $0 }
                + schema.gateways.flatMap { $0.variables(of: key.name) }
            guard let name = names.first(where: { environment[$0]?.isEmpty == false }), let text = environment[name]
            else { continue }
            do throws(Problem) {
                try set(key, key.values(text), .environment(name), name: key.name)
            } catch {
                problem.add(error)
            }
        }
        for key in schema.keys {
            guard let secret = key.secret, environment[secret.variable]?.isEmpty == false else { continue }
            secret.note(&self)
            places[key.name] = .environment(secret.variable)
        }
        for gateway in schema.gateways {
            do throws(Problem) { try gateway.take(environment: environment, &self) } catch { problem.add(error) }
        }
        // Variables may have this prefix for other reasons: only what looks like a mistake is told.
        let known = schema.keys.map(\.variable)
        for name in environment.keys.sorted()
        where name.hasPrefix(ConfigurationKey.variablePrefix) && !known.contains(name) {
            guard let nearest = known.first(where: { ConfigurationKey.editDistance(name, $0) <= 2 }) else { continue }
            notify("the environment variable \(name) means nothing here; \(nearest) would")
        }
        guard problem.items.isEmpty else { throw problem }
    }

    // MARK: the command line

    /// The values of a list add up; of the others the last one counts.
    mutating func take(flags: [ConfigurationFlag]) throws(Problem) {
        var values: [String: (texts: [String], name: String)] = [:]
        // In the order of their last mention: `--trace --log-level info` is info.
        var order: [ConfigurationKey] = []
        var problem = Problem([])
        for flag in flags {
            guard let key = schema.named(flag.key) else {
                let text = "unknown key" + schema.suggestion(for: flag.key)
                problem.add(Problem([.init(place: .flag(flag.key), text: text)]))
                continue
            }
            let isList = key.form == .list || key.form == .pairs
            values[key.name] = ((isList ? values[key.name]?.texts ?? [] : []) + key.values(flag.value), flag.key)
            order.removeAll { $0.name == key.name }
            order.append(key)
        }
        for key in order {
            guard let (texts, name) = values[key.name] else { continue }
            do throws(Problem) {
                try set(key, texts, .flag(name), name: name)
            } catch {
                problem.add(error)
            }
        }
        guard problem.items.isEmpty else { throw problem }
    }

    /// - Parameter name: as it was written: the key's, or an alias.
    private mutating func set(
        _ key: ConfigurationKey, _ values: [String], _ place: Place, name: String
    ) throws(Problem) {
        do throws(Problem) {
            if let changed = try key.set(&self, values) { places[changed] = place }
        } catch {
            throw Problem(
                error.items.map { item in
                    var item = item
                    item.place = place
                    item.key = name
                    return item
                })
        }
    }
}

extension ConfigurationKey {
    /// What a YAML node says, with the line of each; nil when it has not the form of this key.
    fileprivate func values(_ node: Node) -> [(text: String, line: Int)]? {
        if let scalar = node.scalar { return values(scalar.string).map { ($0, node.line) } }
        switch form {
        case .gone, .secret: return []
        case .single, .boolean: return nil
        case .list, .pairs:
            if let sequence = node.sequence {
                let texts = sequence.compactMap { entry in entry.scalar.map { ($0.string.trimmed, entry.line) } }
                return texts.count == sequence.count ? texts : nil
            }
            guard form == .pairs, let mapping = node.mapping else { return nil }
            let texts = mapping.compactMap { name, value in
                name.scalar.flatMap { key in value.scalar.map { ("\(key.string)=\($0.string)", name.line) } }
            }
            return texts.count == mapping.count ? texts : nil
        }
    }

    fileprivate func expectation(insteadOf node: Node) -> String {
        let given = node.sequence == nil ? "mapping" : "list"
        return switch form {
        case .list: "takes a list of single values, nothing deeper; \(allowed)"
        case .pairs: "takes a list of \(placeholder.prefix { $0 != "," }) or a mapping; nothing deeper"
        case .single, .boolean, .gone, .secret: "takes one value, no \(given); \(allowed)"
        }
    }
}
