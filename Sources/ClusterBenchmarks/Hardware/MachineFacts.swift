// SPDX-License-Identifier: GPL-3.0-or-later

/// What one node says of itself: the text that a benchmark job prints of it, in sections that begin with `== NAME`.
///
///     == uname      uname -s -m
///     == cpuinfo    the first processor of /proc/cpuinfo
///     == lscpu      lscpu
///     == nvidia     the information files below /proc/driver/nvidia/gpus
///     == amd        a line for each GPU of vendor 0x1002
public struct MachineFacts: Sendable, Hashable, Codable {
    /// `AMD EPYC 7302 16-Core Processor`
    public var cpu: String?
    public var microarchitecture: String
    /// `linux`
    public var os: String
    /// By Go's names: `amd64`, `arm64`, `ppc64le`.
    public var architecture: String
    /// By model, how many.
    public var gpus: [String: Int]

    /// - Throws: when there is no `uname` in it, as in the output of a job that was ended at once.
    public init(_ text: String) throws(ResultError) {
        var sections: [Substring: [Substring]] = [:]
        var section: Substring = ""
        for line in OutputLines(text) {
            if line.hasPrefix("== ") {
                section = line.dropFirst(3)
            } else {
                sections[section, default: []].append(line)
            }
        }
        guard let words = sections["uname"]?.first?.split(separator: " "), words.count == 2 else {
            throw ResultError("the node did not say what it is")
        }
        let machine = String(words[1])
        let cpuinfo = Self.pairs(sections["cpuinfo"] ?? [])
        let lscpu = Self.pairs(sections["lscpu"] ?? [])
        os = words[0].lowercased()
        architecture = Self.architectures[machine] ?? machine.lowercased()
        // lscpu knows the names of ARM's parts, which are not in /proc/cpuinfo.
        cpu = [cpuinfo["model name"], lscpu["Model name"], cpuinfo["cpu"]].compactMap { $0 }.first {
            !$0.isEmpty && $0 != "-"
        }
        var processor = Microarchitecture.Processor(machine: machine)
        processor.vendor =
            cpuinfo["vendor_id"] ?? cpuinfo["CPU implementer"].flatMap { Microarchitecture.implementers[$0] } ?? ""
        processor.flags = Set((cpuinfo["flags"] ?? cpuinfo["Features"] ?? "").split(separator: " ").map(String.init))
        processor.part = cpuinfo["CPU part"] ?? ""
        if let power = cpuinfo["cpu"], power.hasPrefix("POWER") {
            processor.generation = Int(power.dropFirst(5).prefix { $0.isASCII && $0.isNumber }) ?? 0
        }
        microarchitecture = Microarchitecture.name(of: processor)
        gpus = [:]
        for line in sections["nvidia"] ?? [] {
            if let (name, model) = Self.pair(line), name == "Model", !model.isEmpty { gpus[model, default: 0] += 1 }
        }
        for line in sections["amd"] ?? [] where !line.isEmpty { gpus[String(line), default: 0] += 1 }
    }

    /// The one that most GPUs are.
    public var gpu: String? { gpus.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key }

    private static let architectures = [
        "x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64le", "riscv64": "riscv64", "i686": "386",
    ]

    private static func pair(_ line: Substring) -> (name: String, value: String)? {
        guard let colon = line.firstIndex(of: ":") else { return nil }
        return (line[..<colon].trimmed, line[line.index(after: colon)...].trimmed)
    }

    /// The first one of each name.
    private static func pairs(_ lines: [Substring]) -> [String: String] {
        Dictionary(lines.compactMap(pair).map { ($0.name, $0.value) }) { first, _ in first }
    }
}
