// SPDX-License-Identifier: GPL-3.0-or-later

/// What is measured by itself: one that fails takes nothing from the others.
public enum BenchmarkPart: String, Sendable, Hashable, Codable, CaseIterable {
    /// CPU, GPU, operating system: what the nodes say of themselves.
    case machine
    /// Linpack.
    case compute
    /// Between nodes: latency, bandwidth, all to all.
    case network
    /// The folders that there are.
    case storage
    /// The way to the Internet.
    case internet
}
