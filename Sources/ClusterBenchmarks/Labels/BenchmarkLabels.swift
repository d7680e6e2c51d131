// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc

/// The labels by which customers choose a cluster, as far as they are measured.
public enum BenchmarkLabels {
    /// What `labels.units` says of the keys that end in `.mbps`.
    public enum Units: String, Sendable, Hashable, CaseIterable {
        /// Megabits a second, as the grid's documentation has it.
        case documented
        /// Megabytes a second, as today's supervisor writes them.
        case compat
    }

    /// What wins where both the operator and a benchmark have a value.
    public enum Preference: String, Sendable, Hashable, CaseIterable {
        case measured
        case `operator`
    }

    /// Whose speed is measured, by the label's word; today's folders are the defaults.
    public static let storages = ["scratch", "shared-world-tmp", "shared-tmp", "disk-world-tmp", "disk-tmp"]

    /// All 31, sorted.
    public static let keys: [String] =
        ([
            "arch", "compute.gflops", "cpu", "cpu.microarch", "gpu", "network.all-to-all.latency.us",
            "network.download.bw.mbps", "network.p2p.bw.mbps", "network.p2p.latency.us", "network.upload.bw.mbps", "os",
        ]
        + storages.flatMap { storage in
            ["read.bw.mibps", "read.iops", "write.bw.mibps", "write.iops"].map { "storage.\(storage).\($0)" }
        }).sorted()

    /// Which labels a part measures.
    public static func keys(of part: BenchmarkPart) -> [String] {
        keys.filter { key in
            switch part {
            case .machine: ["arch", "cpu", "cpu.microarch", "gpu", "os"].contains(key)
            case .compute: key == "compute.gflops"
            case .network: key.hasPrefix("network.p2p.") || key.hasPrefix("network.all-to-all.")
            case .storage: key.hasPrefix("storage.")
            case .internet: key.hasPrefix("network.upload.") || key.hasPrefix("network.download.")
            }
        }
    }

    /// How the values of several hardware classes become the one of the cluster.
    enum Merging {
        case sum
        /// The worst one: what a customer gets at least.
        case least
        case most
        /// That of the class with most nodes.
        case first
    }

    static func merging(_ key: String) -> Merging {
        if key == "compute.gflops" { return .sum }
        if key.hasSuffix(".latency.us") { return .most }
        return key.contains(".bw.") || key.hasSuffix(".iops") ? .least : .first
    }

    /// - Parameter classes: their labels, the class with most nodes first.
    public static func merge(classes: [[String: String]]) -> [String: String] {
        var merged: [String: String] = [:]
        for key in Set(classes.flatMap(\.keys)) {
            let texts = classes.compactMap { $0[key] }.filter { !$0.isEmpty }
            let numbers = texts.compactMap { decimal($0) }
            switch merging(key) {
            case .first: merged[key] = texts.first
            case .sum: merged[key] = numbers.isEmpty ? nil : text(numbers.reduce(0, +))
            case .least: merged[key] = numbers.min().flatMap { text($0) }
            case .most: merged[key] = numbers.max().flatMap { text($0) }
            }
        }
        return merged
    }

    /// The operator's labels and what was measured. A value always wins against none.
    public static func merge(
        operator configured: [String: String], measured: [String: String], prefer: Preference
    ) -> [String: String] {
        configured.merging(measured) { own, measured in
            if own.isEmpty { return measured }
            return measured.isEmpty || prefer == .operator ? own : measured
        }
    }

    /// Two decimals, as every number of a label has; nil for what is not a finite one.
    public static func text(_ number: Double) -> String? {
        guard number.isFinite else { return nil }
        var buffer = [CChar](repeating: 0, count: 400)
        let length = withVaList([number]) { vsnprintf(&buffer, buffer.count, "%.2f", $0) }
        guard length > 0, Int(length) < buffer.count else { return nil }
        return String(decoding: buffer.prefix(Int(length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The runs of letters, digits, `.`, `_` and inner `-`, joined by `-`, in lower case: `amd-epyc-7302-16-core-processor`.
    public static func cleaned(_ text: String) -> String {
        text.unicodeScalars.split {
            !($0.isASCII
                && ($0.properties.isAlphabetic || ("0"..."9").contains($0) || "._-".unicodeScalars.contains($0)))
        }.map { run in
            String(run).split(separator: "-").joined(separator: "-")
        }.filter { !$0.isEmpty }.joined(separator: "-").lowercased()
    }
}
