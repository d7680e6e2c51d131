// SPDX-License-Identifier: GPL-3.0-or-later

/// A site's own tables, by the beginning of node names: for nodes whose topology the backend does not know.
public struct HardwareTable: Sendable, Hashable {
    /// GPU index → PCI address.
    public var accelerators: [String: [UInt32: String]]
    /// Abstract core → hardware threads.
    public var cores: [String: [UInt32: [Int]]]

    public init(accelerators: [String: [UInt32: String]] = [:], cores: [String: [UInt32: [Int]]] = [:]) {
        self.accelerators = accelerators
        self.cores = cores
    }

    func accelerators(of node: String) -> [UInt32: String]? { Self.longest(accelerators, node) }
    func cores(of node: String) -> [UInt32: [Int]]? { Self.longest(cores, node) }

    /// Of several beginnings the longest one is meant.
    private static func longest<Value>(_ table: [String: Value], _ node: String) -> Value? {
        table.filter { node.hasPrefix($0.key) }.max { $0.key.count < $1.key.count }?.value
    }
}
