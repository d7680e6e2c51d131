// SPDX-License-Identifier: GPL-3.0-or-later

/// What a node says of a job's cores and GPUs, and of itself. nil: it did not say, or not as a whole.
public struct PluginPlacement: Sendable, Hashable {
    /// Slurm's numbers of the cores, those of the job's credential.
    public var cores: [UInt32]?
    /// Slurm's numbers of the GPUs.
    public var gpus: [UInt32]?
    /// The operating system's hardware threads of each core of the node, in Slurm's order of cores.
    public var hardware: [[UInt32]]?
    /// PCI addresses of the node's GPUs, in the order of their device files; of one that is divided (MIG) once for each part.
    public var gpuAddresses: [String]?
    /// MiB.
    public var memory: UInt64?

    /// More of anything, or higher numbers, no node has.
    static let limit: UInt32 = 4096

    init?(_ frame: Frame) {
        func text(_ tag: FieldTag) -> [UInt8]? { frame[tag].flatMap { $0.isTruncated ? nil : $0.value } }
        cores = text(.cores).flatMap(Self.list)
        gpus = text(.gpus).flatMap(Self.list)
        hardware = text(.hardware).flatMap(Self.hardware)
        gpuAddresses = text(.gpuAddresses).flatMap(Self.addresses)
        memory = frame.number(.memory)
        if cores == nil, gpus == nil, hardware == nil, gpuAddresses == nil { return nil }
    }

    /// `0-3,8`: ascending, none twice.
    static func list(_ text: [UInt8]) -> [UInt32]? {
        var numbers: [UInt32] = []
        for part in text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            let ends = part.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
            guard let first = ends.first.flatMap(number), let last = ends.last.flatMap(number), ends.count <= 2,
                first <= last, numbers.last.map({ $0 < first }) ?? true
            else { return nil }
            numbers += first...last
        }
        return numbers.isEmpty ? nil : numbers
    }

    /// `0,8;1,9/2,10;3,11`: sockets divided by `/`, which only says where one ends; each number once.
    static func hardware(_ text: [UInt8]) -> [[UInt32]]? {
        var seen: Set<UInt32> = []
        var cores: [[UInt32]] = []
        for core in text.split(omittingEmptySubsequences: false, whereSeparator: { ";/".utf8.contains($0) }) {
            var threads: [UInt32] = []
            for word in core.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
                guard let thread = number(word), seen.insert(thread).inserted else { return nil }
                threads.append(thread)
            }
            cores.append(threads)
        }
        return cores
    }

    /// `0000:47:00.0,…`; those that are the same stand beside each other.
    static func addresses(_ text: [UInt8]) -> [String]? {
        var addresses: [String] = []
        var seen: Set<String> = []
        for part in text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            guard (12...16).contains(part.count), part.allSatisfy({ "0123456789abcdef:.".utf8.contains($0) }),
                addresses.count < Int(limit)
            else { return nil }
            let address = String(decoding: part, as: UTF8.self)
            guard seen.insert(address).inserted || addresses.last == address else { return nil }
            addresses.append(address)
        }
        return addresses
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> UInt32? {
        guard (1...4).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        let number = digits.reduce(0) { $0 * 10 + UInt32($1 - 0x30) }
        return number < limit ? number : nil
    }
}
