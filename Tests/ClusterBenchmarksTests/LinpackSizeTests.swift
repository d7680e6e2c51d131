// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import ClusterBenchmarks

@Suite struct LinpackSizeTests {
    @Test(
        "P × Q is the number of processes, as square as it allows",
        arguments: [
            (1, 1, 1), (2, 2, 1), (3, 3, 1), (4, 2, 2), (5, 5, 1), (6, 3, 2), (7, 7, 1), (8, 4, 2), (9, 3, 3),
            (12, 4, 3),
            (16, 4, 4), (18, 6, 3), (36, 6, 6), (97, 97, 1), (128, 16, 8), (0, 1, 1), (-4, 1, 1), (999_983, 999_983, 1),
        ])
    func grids(_ processes: Int, _ rows: Int, _ columns: Int) {
        let grid = ProcessGrid(processes: processes)
        #expect(grid.rows == rows)
        #expect(grid.columns == columns)
    }

    @Test("the published example: a node, two GPUs, 128,000 MB")
    func published() {
        let size = LinpackSize(processes: 2, nodes: 1, memory: 128_000, fraction: 0.5, blockSize: 512)
        #expect((size.grid.rows, size.grid.columns, size.order) == (2, 1, 62_976))
    }

    @Test(
        "a problem is a multiple of the block, at least one, and within 32 bits",
        arguments: [
            (4, 1, 4000, 0.02, 64, 384), (4, 4, 4000, 0.02, 64, 832), (1, 1, 1, 0.5, 512, 512),
            (1, 1, 0, 0.5, 512, 512),
            (1, 1, 1000, 0, 64, 64), (1, 1, 1000, Double.nan, 64, 64), (1, 1, 1000, -1, 64, 64),
            (1, 1, 1000, 7, 64, 11_136),
            (1, 1, -5, 0.5, 64, 64), (1, 0, 8000, 0.5, 1, 15_811), (2, 2, Int.max, 1, 512, 2_147_483_136),
            (1, 1, 1000, 0.5, 0, 5590),
        ])
    func orders(_ processes: Int, _ nodes: Int, _ memory: Int, _ fraction: Double, _ block: Int, _ order: Int) {
        let size = LinpackSize(
            processes: processes, nodes: nodes, memory: memory, fraction: fraction, blockSize: block)
        #expect(size.order == order)
        #expect(size.order % size.blockSize == 0)
    }
}
