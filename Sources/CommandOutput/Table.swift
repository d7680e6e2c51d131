// SPDX-License-Identifier: GPL-3.0-or-later

internal import Support

/// Columns of text, aligned; numbers to the right.
package struct Table {
    private var header: [String]
    private var rows: [[String]] = []
    private var rightAligned: Set<Int>

    package init(_ header: [String], rightAligned: Set<Int> = []) {
        self.header = header
        self.rightAligned = rightAligned
    }

    package mutating func add(_ row: [String]) {
        rows.append(row.map(PrintableText.of))
    }

    package func render() -> String {
        let all = [header] + rows
        let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { row in
            var line = row.indices.map { column in
                let padding = String(repeating: " ", count: widths[column] - row[column].count)
                return rightAligned.contains(column) ? padding + row[column] : row[column] + padding
            }.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return line
        }.joined(separator: "\n")
    }
}
