// SPDX-License-Identifier: GPL-3.0-or-later

/// One kind of node as the backend describes it (its cluster.json, GET `/clusters/`).
struct NodeTopology: Sendable, Hashable {
    /// The hardware threads of each core, socket by socket, as Slurm numbers cores.
    var cores: [[Int]]
    /// PCI addresses by index.
    var accelerators: [String]

    /// - Returns: nil when nothing is said of the cores.
    init?(_ topology: ClustersPage.Topology) {
        guard let cores = topology.core, !cores.isEmpty, cores.allSatisfy({ !$0.isEmpty }) else { return nil }
        self.init(cores: cores, sockets: topology.socket ?? [], accelerators: topology.accelerators?.map(\.id) ?? [])
    }

    init(cores: [[Int]], sockets: [[Int]] = [], accelerators: [String] = []) {
        var socketOf: [Int: Int] = [:]
        for (socket, threads) in sockets.enumerated() {
            for thread in threads { socketOf[thread] = socket }
        }
        // Written in any order; Slurm counts socket by socket.
        self.cores = cores.enumerated().sorted { left, right in
            let (a, b) = (socketOf[left.element[0]] ?? 0, socketOf[right.element[0]] ?? 0)
            return a == b ? left.offset < right.offset : a < b
        }.map(\.element)
        self.accelerators = accelerators
    }

    var allThreads: [Int] { cores.flatMap { $0 }.sorted() }
}

/// The nodes of one cluster at a backend.
struct BackendTopology: Sendable {
    struct Group: Sendable {
        var name: String
        /// nil: all there are.
        var nodes: BackendNodeList?
        var topology: NodeTopology?
    }

    var groups: [Group]

    init(groups: [Group]) { self.groups = groups }

    /// - Returns: nil when the backend has no such cluster.
    init?(_ page: ClustersPage, cluster: String) {
        guard let found = page.clusters.first(where: { $0.name == cluster }) else { return nil }
        groups = found.subClusters.map { sub in
            Group(
                name: sub.name, nodes: sub.nodes == "*" ? nil : BackendNodeList(sub.nodes ?? ""),
                topology: sub.topology.flatMap(NodeTopology.init))
        }
    }

    /// The node as the backend spells it: as Slurm does, else without or with a domain.
    /// - Returns: nil when the backend does not have it.
    func find(_ node: String) -> (host: String, group: Group)? {
        for group in groups {
            if let host = group.nodes.map({ $0.contains(node) ? node : nil }) ?? node { return (host, group) }
        }
        let short = String(node.prefix { $0 != "." })
        for group in groups where short != node && group.nodes?.contains(short) == true { return (short, group) }
        for group in groups {
            if let host = group.nodes?.named(short: short) { return (host, group) }
        }
        return nil
    }
}

/// `n[1-4]`, `a[01-16,20-29]b,login`, as cluster.json has them: a range has two ends of equal width.
struct BackendNodeList: Sendable, Hashable {
    private enum Part: Sendable, Hashable {
        case text(String)
        case ranges([Range])
    }

    private struct Range: Sendable, Hashable {
        var first: Int
        var last: Int
        var width: Int

        func holds(_ digits: ArraySlice<UInt8>) -> Bool {
            guard digits.count == width else { return false }
            var number = 0
            for digit in digits {
                guard digit >= 0x30, digit <= 0x39 else { return false }
                number = number * 10 + Int(digit - 0x30)
            }
            return first <= number && number <= last
        }
    }

    private var terms: [[Part]] = []

    /// What cannot be read names no node: the backend itself does not start with it.
    init(_ text: String) {
        var depth = 0
        for term in text.split(whereSeparator: { character in
            if character == "[" { depth += 1 }
            if character == "]" { depth -= 1 }
            return character == "," && depth == 0
        }) {
            if let parts = Self.parts(term) { terms.append(parts) }
        }
    }

    private static func parts(_ term: Substring) -> [Part]? {
        var parts: [Part] = []
        var rest = term
        while let first = rest.first {
            if first != "[" {
                let text = rest.prefix { $0 != "[" }
                parts.append(.text(String(text)))
                rest = rest[text.endIndex...]
                continue
            }
            guard let close = rest.firstIndex(of: "]") else { return nil }
            var ranges: [Range] = []
            for piece in rest[rest.index(after: rest.startIndex)..<close].split(separator: ",") {
                let ends = piece.split(separator: "-", omittingEmptySubsequences: false)
                guard let low = ends.first, let high = ends.last, low.count == high.count, ends.count <= 2,
                    low.count <= 9, let first = Int(low), let last = Int(high)
                else { return nil }
                ranges.append(Range(first: first, last: last, width: low.count))
            }
            parts.append(.ranges(ranges))
            rest = rest[rest.index(after: close)...]
        }
        return parts
    }

    func contains(_ host: String) -> Bool {
        let host = Array(host.utf8)
        return terms.contains { Self.matches($0, host) }
    }

    /// By the places of the name up to which the parts so far can reach: however they overlap, each is looked at once.
    private static func matches(_ parts: [Part], _ host: [UInt8]) -> Bool {
        var reached: Set<Int> = [0]
        for part in parts {
            var next: Set<Int> = []
            for place in reached {
                let rest = host[place...]
                switch part {
                case .text(let text):
                    if rest.starts(with: text.utf8) { next.insert(place + text.utf8.count) }
                case .ranges(let ranges):
                    for range in ranges where range.holds(rest.prefix(range.width)) { next.insert(place + range.width) }
                }
            }
            reached = next
            if reached.isEmpty { return false }
        }
        return reached.contains(host.count)
    }

    /// A node written with a domain whose first part is this; only of names that stand there one by one.
    func named(short: String) -> String? {
        for term in terms {
            if term.count == 1, case .text(let name) = term[0], name != short,
                name.prefix(while: { $0 != "." }) == short
            {
                return name
            }
        }
        return nil
    }
}
