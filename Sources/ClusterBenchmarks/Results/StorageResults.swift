// SPDX-License-Identifier: GPL-3.0-or-later

/// How fast a folder is.
public struct StorageResult: Sendable, Hashable, Codable {
    public struct Side: Sendable, Hashable, Codable {
        /// MiB/s
        public var bandwidth: Double
        public var iops: Double

        public init(bandwidth: Double, iops: Double) {
            self.bandwidth = bandwidth
            self.iops = iops
        }
    }

    public var read: Side
    public var write: Side

    public init(read: Side, write: Side) {
        self.read = read
        self.write = write
    }

    /// Of several nodes at once.
    public static func sum(_ all: [StorageResult]) -> StorageResult? {
        guard let first = all.first else { return nil }
        return all.dropFirst().reduce(first) { sum, one in
            func add(_ left: Side, _ right: Side) -> Side {
                Side(bandwidth: left.bandwidth + right.bandwidth, iops: left.iops + right.iops)
            }
            return StorageResult(read: add(sum.read, one.read), write: add(sum.write, one.write))
        }
    }

    /// Of IOR's summary in CSV: the means over its iterations. Columns are found by the header; other kinds of access, blank and
    /// cut lines do not matter.
    public init(ior text: String) throws(ResultError) {
        var columns: (kind: Int, bandwidth: Int, iops: Int, count: Int)?
        var sides: [Substring: (bandwidth: Double, iops: Double, count: Double)] = [:]
        for line in OutputLines(text) {
            let fields = line.split(separator: ",", omittingEmptySubsequences: false)
            if let kind = fields.firstIndex(of: "access"), let bandwidth = fields.firstIndex(of: "bw(MiB/s)"),
                let iops = fields.firstIndex(of: "IOPS")
            {
                columns = (kind, bandwidth, iops, fields.count)
                continue
            }
            guard let columns, fields.count == columns.count, let bandwidth = decimal(fields[columns.bandwidth]),
                let iops = decimal(fields[columns.iops]), bandwidth > 0, iops > 0
            else { continue }
            let kind = fields[columns.kind]
            let sum = sides[kind, default: (0, 0, 0)]
            sides[kind] = (sum.bandwidth + bandwidth, sum.iops + iops, sum.count + 1)
        }
        func side(_ kind: Substring) throws(ResultError) -> Side {
            guard let sum = sides[kind], sum.bandwidth.isFinite, sum.iops.isFinite else {
                throw ResultError("IOR has no line of a \(kind)")
            }
            return Side(bandwidth: sum.bandwidth / sum.count, iops: sum.iops / sum.count)
        }
        (read, write) = (try side("read"), try side("write"))
    }

    private struct Fio: Decodable {
        struct Job: Decodable {
            var error: Int?
            var read: Side
            var write: Side
        }
        struct Side: Decodable {
            var bytes: Double
            var iops: Double

            enum CodingKeys: String, CodingKey {
                case bytes = "bw_bytes"
                case iops
            }
        }
        var jobs: [Job]
    }

    /// Of fio's JSON, the last document of it: sums over its jobs, of which some read and some write.
    public init(fio text: String) throws(ResultError) {
        guard
            let fio = JSONDocuments.all(in: text).reversed().lazy.compactMap({ JSONDocuments.decode(Fio.self, $0) })
                .first
        else { throw ResultError("no result of fio") }
        if let failed = fio.jobs.first(where: { $0.error ?? 0 != 0 }) {
            throw ResultError("fio failed with error \(failed.error ?? 0)")
        }
        func side(_ name: String, _ path: KeyPath<Fio.Job, Fio.Side>) throws(ResultError) -> Side {
            let bytes = fio.jobs.reduce(0) { $0 + $1[keyPath: path].bytes }
            let iops = fio.jobs.reduce(0) { $0 + $1[keyPath: path].iops }
            guard bytes > 0, iops > 0, bytes.isFinite, iops.isFinite else {
                throw ResultError("fio measured no \(name)")
            }
            return Side(bandwidth: bytes / 1_048_576, iops: iops)
        }
        (read, write) = (try side("read", \.read), try side("write", \.write))
    }
}
