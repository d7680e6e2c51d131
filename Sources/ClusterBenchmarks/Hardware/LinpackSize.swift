// SPDX-License-Identifier: GPL-3.0-or-later

/// How the processes of Linpack are arranged: P rows, Q columns, P × Q of them.
public struct ProcessGrid: Sendable, Hashable, Codable {
    public var rows: Int
    public var columns: Int

    /// As square as the number allows, never wider than high: Q is its largest divisor not above its root.
    ///
    /// - Parameter processes: less than 1 counts as 1.
    public init(processes: Int) {
        let count = max(1, processes)
        var width = max(1, Int(Double(count).squareRoot()))
        while width > 1, width > count / width || count % width != 0 { width -= 1 }
        (rows, columns) = (count / width, width)
    }
}

/// What Linpack is to solve.
public struct LinpackSize: Sendable, Hashable, Codable {
    public var grid: ProcessGrid
    /// N, a multiple of the block size; at least one block.
    public var order: Int
    /// NB
    public var blockSize: Int

    /// N = NB × ⌊√(memory × nodes ÷ 8) × fraction × 1000 ÷ NB⌋, as today's supervisor has it: a fraction of 0.5 is a quarter of
    /// the memory, for a matrix has N² numbers of eight bytes.
    ///
    /// - Parameters:
    ///   - memory: MB of one node.
    ///   - fraction: `benchmark.hpl.memory-percent`, 0 to 1.
    public init(processes: Int, nodes: Int, memory: Int, fraction: Double, blockSize: Int) {
        grid = ProcessGrid(processes: processes)
        self.blockSize = min(max(1, blockSize), 65_536)
        let share = fraction.isFinite ? min(max(0, fraction), 1) : 0
        let side = (Double(max(0, memory)) * Double(max(1, nodes)) / 8).squareRoot() * share * 1000
        let blocks = (side / Double(self.blockSize)).rounded(.down)
        // HPL counts in 32 bits.
        let most = Int(Int32.max) / self.blockSize
        order = self.blockSize * max(1, blocks < Double(most) ? Int(blocks) : most)
    }
}
