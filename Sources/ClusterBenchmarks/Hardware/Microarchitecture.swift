// SPDX-License-Identifier: GPL-3.0-or-later

/// The name of a CPU's micro-architecture, as customers look for it (`zen2`, `skylake_avx512`, `neoverse_n1`).
public enum Microarchitecture {
    /// What /proc/cpuinfo says of one processor.
    public struct Processor: Sendable, Hashable {
        /// As `uname -m` prints it.
        public var machine: String
        /// `vendor_id`, or the name of `CPU implementer`; empty: not known.
        public var vendor = ""
        public var flags: Set<String> = []
        /// `CPU part` of ARM.
        public var part = ""
        /// 9 for POWER9.
        public var generation = 0

        public init(machine: String) { self.machine = machine }
    }

    struct Row: Sendable {
        var name: String
        var parents: [String]
        var vendor: String
        /// Beyond those of the parents.
        var features: String
        var generation: Int
        var part: String

        init(
            _ name: String, _ parents: [String], _ vendor: String, _ features: String,
            generation: Int = 0, part: String = ""
        ) {
            self.name = name
            self.parents = parents
            self.vendor = vendor
            self.features = features
            self.generation = generation
            self.part = part
        }
    }

    struct Target: Sendable {
        var row: Row
        var ancestors: Set<String> = []
        var features: Set<String> = []

        /// The newest one of those that fit has the most.
        var rank: (Int, Int) { (ancestors.count, features.count) }
    }

    /// In the order of the table, in which parents come first.
    static let targets: [Target] = {
        var known: [String: Target] = [:]
        return rows.map { row in
            var target = Target(row: row)
            for parent in row.parents {
                target.ancestors.insert(parent)
                target.ancestors.formUnion(known[parent]?.ancestors ?? [])
                target.features.formUnion(known[parent]?.features ?? [])
            }
            target.features.formUnion(row.features.split(separator: " ").map(String.init))
            target.features = whole(target.features)
            known[row.name] = target
            return target
        }
    }()

    /// Linux does not list sse3, which whoever has ssse3 has too.
    private static func whole(_ features: Set<String>) -> Set<String> {
        features.contains("ssse3") ? features.union(["sse3"]) : features
    }

    /// The same as archspec's `host()`: among those whose vendor and features fit, the newest one; the best of no vendor, where
    /// nothing newer than that fits. Of a machine that the table does not know, the machine's own name.
    public static func name(of processor: Processor) -> String {
        let root = processor.machine
        let family = targets.filter { $0.row.name == root || $0.ancestors.contains(root) }
        var candidates = family.filter { fits($0, processor) }
        guard let generic = candidates.filter({ $0.row.vendor == "generic" }).max(by: { $0.rank < $1.rank }) else {
            return root
        }
        if !processor.part.isEmpty, candidates.contains(where: { $0.row.part == processor.part }) {
            candidates = candidates.filter { $0.row.part == processor.part }
        }
        let newer = candidates.filter { $0.ancestors.contains(generic.row.name) }
        return (newer.max { $0.rank < $1.rank } ?? generic).row.name
    }

    private static func fits(_ target: Target, _ processor: Processor) -> Bool {
        let row = target.row
        if processor.machine.hasPrefix("ppc64") { return row.generation <= processor.generation }
        // Of ARM nobody can tell the version of the architecture by the flags.
        if processor.machine == "aarch64", row.vendor == "generic", row.name != "aarch64" { return false }
        return (row.vendor == "generic" || row.vendor == processor.vendor)
            && target.features.isSubset(of: whole(processor.flags))
    }

    /// `CPU implementer` of ARM.
    static let implementers = [
        "0x41": "ARM", "0x42": "Broadcom", "0x43": "Cavium", "0x44": "DEC", "0x46": "Fujitsu", "0x48": "HiSilicon",
        "0x49": "Infineon Technologies AG", "0x4d": "Motorola", "0x4e": "Nvidia", "0x50": "APM", "0x51": "Qualcomm",
        "0x53": "Samsung", "0x56": "Marvell", "0x61": "Apple", "0x66": "Faraday", "0x68": "HXT", "0x69": "Intel",
        "0xc0": "Ampere",
    ]
}
