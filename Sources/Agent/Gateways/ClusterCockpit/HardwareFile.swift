// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import ClusterCockpit
internal import Yams

/// `clustercockpit.hardware-file`: which GPU index is which PCI address, and which core has which hardware threads, by the
/// beginning of node names. As cc-slurm-sync's `accelerators`:
///
///     accelerators:
///       n2gpu: {"0": "00000000:03:00.0", "1": "00000000:44:00.0"}
///     cores:
///       n2: {"0": "0,64", "1": "1,65"}
struct HardwareFile: Equatable, Sendable {
    typealias Problem = AgentConfiguration.Problem

    static let key = "clustercockpit.hardware-file"

    var path: String
    /// What it says; empty until it was read.
    var table = HardwareTable()

    /// Throws what is wrong in it.
    mutating func read() throws(Problem) {
        let text: String
        do throws(Problem) {
            text = try ConfigurationFile.read(path, missing: "write it, or remove the key")
        } catch {
            throw Problem(
                error.items.map { item in
                    var item = item
                    item.key = item.key ?? Self.key
                    return item
                })
        }
        table = try Self.table(text, file: path)
    }

    static func table(_ text: String, file: String) throws(Problem) -> HardwareTable {
        var table = HardwareTable()
        guard let root = try YAMLReader(text: text, file: file).root() else { return table }
        guard let mapping = root.mapping else {
            throw problem(file, root, "expects the mappings accelerators and cores")
        }
        for (name, node) in mapping {
            switch name.scalar?.string {
            case "accelerators":
                table.accelerators = try groups(node, file) { text in text.isEmpty || text.contains(" ") ? nil : text }
            case "cores":
                table.cores = try groups(node, file) { text in
                    let threads = text.split(separator: ",").map { Int($0.trimmed) }
                    guard !threads.isEmpty, threads.allSatisfy({ $0.map { (0...65_535).contains($0) } ?? false }) else {
                        return nil
                    }
                    return threads.compactMap { $0 }
                }
            default: throw problem(file, name, "there are accelerators and cores, and nothing else")
            }
        }
        return table
    }

    private static func groups<Value>(
        _ node: Node, _ file: String, _ read: (String) -> Value?
    ) throws(Problem) -> [String: [UInt32: Value]] {
        guard let mapping = node.mapping else { throw problem(file, node, "expects the beginnings of node names") }
        var groups: [String: [UInt32: Value]] = [:]
        for (prefix, entries) in mapping {
            guard let name = prefix.scalar?.string, let entries = entries.mapping else {
                throw problem(file, prefix, "expects a mapping from numbers")
            }
            for (key, node) in entries {
                // A list of threads may also be a YAML list.
                let text =
                    node.scalar?.string
                    ?? node.sequence.map { $0.map { $0.scalar?.string ?? "?" }.joined(separator: ",") } ?? ""
                guard let index = key.scalar.flatMap({ UInt32($0.string) }), let value = read(text) else {
                    throw problem(
                        file, key, "is not a number with what belongs to it, such as \"0\": \"00000000:03:00.0\"")
                }
                groups[name, default: [:]][index] = value
            }
        }
        return groups
    }

    private static func problem(_ file: String, _ node: Node, _ text: String) -> Problem {
        Problem([.init(place: .file(file, line: node.line), key: node.scalar?.string, text: text)])
    }
}

extension ValueKind where Value == HardwareFile? {
    static var hardwareFile: Self {
        Self(form: .single, "PATH", allowed: "absolute path", show: { $0?.path ?? "off" }) { values throws(Problem) in
            guard let text = values.last, !text.isEmpty else { return nil }
            return HardwareFile(path: try ValueKind<String>.path.read([text]))
        }
    }
}
