// SPDX-License-Identifier: GPL-3.0-or-later

/// Blocks of lines one below the other, in so many rows: lists are shortened, and say how the rest is seen.
package struct ScreenLayout {
    /// Some entries, each of one line or more, the most pressing first.
    package struct Block: Equatable {
        /// Stands for the block when there is no room for any entry.
        package var name: String
        /// The line above the entries.
        package var title: String?
        package var entries: [[String]]
        /// A command: `slurm-grid-agent grid jobs`.
        package var whereElse: String

        package init(name: String, title: String? = nil, entries: [[String]], whereElse: String) {
            (self.name, self.title, self.entries, self.whereElse) = (name, title, entries, whereElse)
        }

        /// With so many of its entries.
        fileprivate func lines(showing count: Int) -> [String] {
            if entries.isEmpty { return [] }
            if count == 0 { return ["\(name): \(entries.count), see \(whereElse)"] }
            let missing = entries.count - count
            return (title.map { [$0] } ?? []) + entries.prefix(count).joined()
                + (missing > 0 ? ["… and \(missing) more: \(whereElse)"] : [])
        }
    }

    package enum Part: Equatable {
        /// Always there.
        case fixed([String])
        case block(Block)
        /// An empty line, if there is room for all of them.
        case gap
    }

    package var parts: [Part] = []

    package init() {}

    /// Without a limit.
    package var allLines: [String] {
        parts.flatMap { part in
            switch part {
            case .fixed(let lines): lines
            case .block(let block): block.lines(showing: block.entries.count)
            case .gap: [""]
            }
        }
    }

    package func lines(rows: Int) -> [String] {
        let all = allLines
        if all.count <= rows { return all }
        let fixed = parts.reduce(0) { if case .fixed(let lines) = $1 { $0 + lines.count } else { $0 } }
        let blocks = parts.compactMap { if case .block(let block) = $0 { block } else { nil } }
        var counts = Self.counts(blocks, rows: rows - fixed)[...]
        return Array(
            parts.flatMap { part -> [String] in
                switch part {
                case .fixed(let lines): lines
                case .block(let block): block.lines(showing: counts.popFirst() ?? 0)
                case .gap: []
                }
            }.prefix(rows))
    }

    /// How many entries of each block are shown: of the first as many as half of the rows take, then one more of each in turn.
    private static func counts(_ blocks: [Block], rows: Int) -> [Int] {
        var counts = blocks.map { _ in 0 }
        func needed() -> Int { zip(blocks, counts).reduce(0) { $0 + $1.0.lines(showing: $1.1).count } }
        func raise(_ index: Int, in room: Int) -> Bool {
            guard counts[index] < blocks[index].entries.count else { return false }
            counts[index] += 1
            if needed() <= room { return true }
            counts[index] -= 1
            return false
        }
        if let first = blocks.first {
            while counts[0] < first.entries.count, first.lines(showing: counts[0] + 1).count <= rows / 2,
                raise(0, in: rows)
            {}
        }
        while blocks.indices.reduce(false, { raise($1, in: rows) || $0 }) {}
        return counts
    }
}
