// SPDX-License-Identifier: GPL-3.0-or-later

import CSlurm
import Glibc
import Testing

@testable import Slurm

/// Our code against libslurm's own, on generated lists. (Text after a bracket, which ours takes, libslurm refuses.)
@Suite struct HostlistDifferentialTests {
    @Test(arguments: 1...20)
    func agreesWithLibslurm(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            let text = Self.list(&random)
            let ours = Hostlist.expand(text)
            #expect(ours == Self.libslurm(text), "\(text)")
            guard let ours else { continue }
            let compressed = Hostlist.compress(ours)
            #expect(Hostlist.expand(compressed) == ours, "\(text) -> \(compressed)")
            #expect(Self.libslurm(compressed) == ours, "libslurm reads what we write: \(compressed)")
            let ranged = Self.libslurmRanged(ours)
            #expect(Hostlist.expand(ranged)?.sorted() == ours.sorted(), "we read what libslurm writes: \(ranged)")
        }
    }

    private static func list(_ random: inout SeededGenerator) -> String {
        (0..<random.int(1...4)).map { _ in element(&random) }.joined(separator: ",")
    }

    private static func element(_ random: inout SeededGenerator) -> String {
        let prefix = ["n", "gpu-", "node0", "a.b-c", "rack3n", "x_", "login"][random.int(0...6)]
        switch random.int(0...5) {
        case 0: return prefix
        case 1: return prefix + number(random.int(0...1200), random.int(1...4))
        default:
            let ranges = (0..<random.int(1...4)).map { _ in
                let first = random.int(0...1100)
                let width = random.int(1...5)
                return random.int(0...2) == 0
                    ? number(first, width)
                    : number(first, width) + "-" + number(first + random.int(0...25), width)
            }
            return prefix + "[" + ranges.joined(separator: ",") + "]"
        }
    }

    private static func number(_ value: Int, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    private static func libslurm(_ text: String) -> [String]? {
        guard let list = slurm_hostlist_create(text) else { return nil }
        defer { slurm_hostlist_destroy(list) }
        var names: [String] = []
        while let name = slurm_hostlist_shift(list) {
            names.append(String(cString: name))
            free(name)
        }
        return names
    }

    private static func libslurmRanged(_ names: [String]) -> String {
        guard let list = slurm_hostlist_create(nil) else { return "" }
        defer { slurm_hostlist_destroy(list) }
        for name in names { slurm_hostlist_push(list, name) }
        // The one of these functions that every release has.
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1 << 16) { buffer in
            guard let base = buffer.baseAddress, slurm_hostlist_ranged_string(list, buffer.count, base) >= 0 else {
                return "["  // too long: no host list
            }
            return String(cString: base)
        }
    }
}
