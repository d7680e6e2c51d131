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
}
