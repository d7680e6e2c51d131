// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Slurm

@Suite struct GRESTests {
    private static func gpu(_ type: String?, _ count: UInt64, _ indices: [UInt32]? = nil) -> GRES {
        GRES(name: "gpu", type: type, count: count, indices: indices)
    }

    /// Texts that slurmctld 22.05.8 gave for running jobs (gres_detail_str).
    @Test(
        arguments: [
            ("gpu:a100:2(IDX:0-1)", [gpu("a100", 2, [0, 1])]),
            ("gpu:v100:1(IDX:2)", [gpu("v100", 1, [2])]),
            ("gpu:a100:1(IDX:0),gpu:v100:1(IDX:3)", [gpu("a100", 1, [0]), gpu("v100", 1, [3])]),
            ("gpu:1(IDX:0)", [gpu(nil, 1, [0])]),
            ("craynetwork(CNT:1)", [GRES(name: "craynetwork", count: 1)]),
            ("craynetwork(CNT:2),gpu:1(IDX:0)", [GRES(name: "craynetwork", count: 2), gpu(nil, 1, [0])]),
            ("bandwidth:lustre(CNT:0)", [GRES(name: "bandwidth", type: "lustre", count: 0)]),
        ] as [(String, [GRES])])
    func readsJobDetails(_ text: String, _ expected: [GRES]) {
        #expect(GRES.list(text) == expected)
    }

    /// Texts that slurmctld 22.05.8 gave for nodes (gres, gres_used).
    @Test(
        arguments: [
            ("", []),
            ("gpu:2", [gpu(nil, 2)]),
            ("gpu:a100:4", [gpu("a100", 4)]),
            ("gpu:a100:2,gpu:v100:2", [gpu("a100", 2), gpu("v100", 2)]),
            (
                "gpu:a100:4,bandwidth:lustre:4G",
                [gpu("a100", 4), GRES(name: "bandwidth", type: "lustre", count: 4 << 30)]
            ),
            ("gpu:2,craynetwork:2", [gpu(nil, 2), GRES(name: "craynetwork", count: 2)]),
            (
                "gpu:a100:3(IDX:0-2),bandwidth:lustre:0,craynetwork:0",
                [
                    gpu("a100", 3, [0, 1, 2]), GRES(name: "bandwidth", type: "lustre", count: 0),
                    GRES(name: "craynetwork", count: 0),
                ]
            ),
            (
                "gpu:a100:0(IDX:N/A),gpu:v100:2(IDX:2-3),bandwidth:0,craynetwork:0",
                [
                    gpu("a100", 0), gpu("v100", 2, [2, 3]), GRES(name: "bandwidth", count: 0),
                    GRES(name: "craynetwork", count: 0),
                ]
            ),
        ] as [(String, [GRES])])
    func readsNodes(_ text: String, _ expected: [GRES]) {
        #expect(GRES.list(text) == expected)
    }

    /// Forms of the manual (gres.conf(5), slurm.conf(5)) and of other releases.
    @Test(
        arguments: [
            ("(null)", []),
            ("N/A", []),
            ("gpu", [gpu(nil, 1)]),
            ("gpu:tesla", [gpu("tesla", 1)]),
            ("gpu:4(S:0-1)", [gpu(nil, 4)]),
            ("gpu:(null):2(IDX:0,3)", [gpu(nil, 2, [0, 3])]),
            ("gpu:a100:1(IDX:3),shard:2(0/4,2/4)", [gpu("a100", 1, [3]), GRES(name: "shard", count: 2)]),
            ("bandwidth:lustre:no_consume:4G", [GRES(name: "bandwidth", type: "lustre", count: 4 << 30)]),
            ("gpu:2(IDX:-1)", [gpu(nil, 2)]),
            ("gpu:2(IDX:)", [gpu(nil, 2)]),
            ("gpu:a100:8(IDX:0-3,6-9)", [gpu("a100", 8, [0, 1, 2, 3, 6, 7, 8, 9])]),
            ("shard:1K", [GRES(name: "shard", count: 1024)]),
        ] as [(String, [GRES])])
    func readsOtherForms(_ text: String, _ expected: [GRES]) {
        #expect(GRES.list(text) == expected)
    }

    @Test(arguments: [
        ",", "gpu:2,", ",gpu:2", ":2", "gpu:", "gpu::", "gpu:a100:", "gpu:a100:x", "gpu:a:b:c", "gpu:a:b:c:d",
        "gpu:2(IDX:0-1", "gpu:2)IDX:0(", "gpu:2(IDX:a)", "gpu:2(IDX:1-0)", "gpu:2(IDX:0-99999)", "gpu:2(IDX:0)x",
        "gpu:-1:x", "gpu:18446744073709551616:1K1", "gpu:a100:18446744073709551616", "gpu:a100:18446744073709551615K",
        "gpu(CNT:x)", "gpu(CNT:)",
    ])
    func refuses(_ text: String) {
        #expect(GRES.list(text) == nil)
    }

    @Test(
        arguments: [
            (gpu(nil, 2), "gpu:2"), (gpu("a100", 2), "gpu:a100:2"), (gpu("a100", 2, [0, 1]), "gpu:a100:2(IDX:0-1)"),
            (gpu("a100", 3, [0, 2, 3]), "gpu:a100:3(IDX:0,2-3)"),
            (GRES(name: "bandwidth", type: "lustre", count: 0), "bandwidth:lustre:0"),
        ])
    func printsAndReadsBack(_ gres: GRES, _ text: String) {
        #expect(gres.description == text)
        #expect(GRES.list(text) == [gres])
    }
}
