// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum

/// What this cluster is registered with, and whether the chain's entry says the same. No I/O.
public struct Registration: Sendable, Hashable {
    public var hardware: Hardware
    public var prices: Prices
    public var labels: [Label]

    public init(hardware: Hardware, prices: Prices, labels: [Label]) {
        self.hardware = hardware
        self.prices = prices
        self.labels = labels.cleaned
    }

    /// What the chain's entry would have to change, in words; empty: it says all that we say. Labels are compared by
    /// containment: keys that are not ours stay as they are.
    func differences(from entry: ProviderRecord) -> [String] {
        var differences: [String] = []
        if entry.hardware != hardware {
            differences.append("hardware: the chain has \(entry.hardware.words), the cluster has \(hardware.words)")
        }
        for (name, theirs, ours) in [
            ("gpu", entry.prices.gpuPerMinute, prices.gpuPerMinute),
            ("cpu", entry.prices.cpuPerMinute, prices.cpuPerMinute),
            ("mem", entry.prices.memoryPerMinute, prices.memoryPerMinute),
        ] where theirs != ours {
            differences.append(
                "\(name) price a minute: the chain has \(Wei.exact(theirs)) credits, the configuration has \(Wei.exact(ours))"
            )
        }
        let known = Dictionary(entry.labels.map { ($0.key, $0.value) }, uniquingKeysWith: { _, last in last })
        for label in labels where known[label.key] != label.value {
            let theirs = known[label.key].map { "\"\($0)\"" } ?? "none"
            differences.append("label \(label.key): the chain has \(theirs), the configuration has \"\(label.value)\"")
        }
        return differences
    }

    /// With the labels of an entry whose keys are not ours.
    func keeping(labelsOf entry: ProviderRecord?) -> Registration {
        let ours = Set(labels.map(\.key))
        var merged = self
        merged.labels = ((entry?.labels ?? []).filter { !ours.contains($0.key) } + labels).sorted { $0.key < $1.key }
        return merged
    }

    var call: [ABIValue] { [hardware.abi, prices.abi, Label.abi(labels)] }
}

extension Hardware {
    /// `4 nodes, 16 CPUs, 8 GPUs, 16000 MB`.
    var words: String {
        func sum(_ numbers: [UInt64]) -> UInt64 { numbers.reduce(0) { $0 &+ $1 } }
        return "\(nodes) nodes, \(sum(cpusPerNode)) CPUs, \(sum(gpusPerNode)) GPUs, \(sum(memoryPerNode)) MB"
    }
}

extension [Label] {
    /// As the grid compares them: in order of their keys, each key once, key and value clean.
    var cleaned: [Label] {
        var byKey: [String: String] = [:]
        for label in self {
            let key = Label.clean(label.key)
            if !key.isEmpty { byKey[key] = Label.clean(label.value) }
        }
        return byKey.map { Label(key: $0.key, value: $0.value) }.sorted { $0.key < $1.key }
    }
}

extension Label {
    /// The runs of letters, digits, `.`, `_` and inner `-`, joined by `-`, in lower case: `AMD EPYC 7302 16-Core Processor`
    /// becomes `amd-epyc-7302-16-core-processor`.
    static func clean(_ text: String) -> String {
        let words = text.lowercased().unicodeScalars.split { scalar in
            !(scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar))
                || "._-".unicodeScalars.contains(scalar))
        }
        return words.map { word in
            var trimmed = word
            while trimmed.first == "-" { trimmed = trimmed.dropFirst() }
            while trimmed.last == "-" { trimmed = trimmed.dropLast() }
            return String(String.UnicodeScalarView(trimmed))
        }.filter { !$0.isEmpty }.joined(separator: "-")
    }
}
