// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Slurm

struct PlacementNamesTests {
    /// Of a job that ends slurmctld names only the nodes that are not clean yet; what it was allocated names all.
    @Test(
        arguments: [
            (["n1"], [], nil, ["n1"], true), (["n1", "n2"], [], 2, ["n1", "n2"], true),
            (["n2"], ["n1", "n2"], 2, ["n1", "n2"], true), (["n2"], ["n1", "n2"], nil, ["n2"], true),
            // What the caller knows is of another time.
            (["n2"], [], 2, ["n2"], false), (["n2"], ["n1", "n3"], 2, ["n2"], false),
            (["n2"], ["n1", "n2", "n3"], 2, ["n2"], false), (["n1", "n2"], ["n1"], 2, ["n1", "n2"], true),
        ] as [([String], [String], UInt64?, [String], Bool)])
    func names(_ named: [String], _ known: [String], _ count: UInt64?, _ wanted: [String], _ isWhole: Bool) {
        let found = Placement.names(named, known, of: count)
        #expect(found.names == wanted && found.isWhole == isWhole)
    }
    @Test(
        arguments: [
            ("n[1-2]", 2, false, true), ("n[1-2]", 2, true, true), ("n2", 2, true, false), (nil, 2, true, false),
            // Of one that does not end the list is whole, also where it shrank meanwhile.
            ("n2", 2, false, true), (nil, nil, false, true), ("n2", nil, true, false), ("n[", 1, true, false),
        ] as [(String?, UInt64?, Bool, Bool)])
    func all(_ list: String?, _ count: UInt64?, _ isCompleting: Bool, _ wanted: Bool) {
        #expect(Job.namesAll(list, of: count, isCompleting: isCompleting) == wanted)
    }
}
