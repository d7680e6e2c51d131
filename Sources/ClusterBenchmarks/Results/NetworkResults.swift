// SPDX-License-Identifier: GPL-3.0-or-later

/// What a program of the OSU micro-benchmarks printed: a value for each size of message.
public struct OSUResult: Sendable, Hashable, Codable {
    public struct Row: Sendable, Hashable, Codable {
        /// Bytes.
        public var size: Int
        /// µs or MB/s, as the program measures.
        public var value: Double
    }

    public var rows: [Row]

    /// Of the largest message: what today's labels have, also where it is a latency.
    public var last: Double { rows.last?.value ?? 0 }

    private static let limit = 1000

    public init(_ text: String) throws(ResultError) {
        rows = []
        for line in OutputLines(text) where rows.count < Self.limit {
            let words = line.words
            // Some releases print more columns: the first one is the average.
            guard words.count >= 2, let size = Int(words[0]), size >= 0, let value = decimal(words[1]), value > 0 else {
                continue
            }
            // The first line of a second run: the last one counts.
            if let last = rows.last, size <= last.size { rows = [] }
            rows.append(Row(size: size, value: value))
        }
        guard !rows.isEmpty else { throw ResultError("no line of an OSU benchmark with a value") }
    }
}

/// How fast the way to the Internet is, bits per second.
public struct InternetResult: Sendable, Hashable, Codable {
    public var download: Double
    public var upload: Double

    private struct Ookla: Decodable {
        struct Side: Decodable {
            /// Bytes per second.
            var bandwidth: Double
        }
        var type: String
        var download: Side
        var upload: Side
    }

    private struct Client: Decodable {
        /// Bits per second.
        var download: Double
        var upload: Double
    }

    /// Of Ookla's `speedtest -f json` or of `speedtest-cli --json`, which are two programs.
    public init(_ text: String) throws(ResultError) {
        let documents = JSONDocuments.all(in: text)
        if let result = documents.reversed().lazy.compactMap({ JSONDocuments.decode(Ookla.self, $0) }).first(where: {
            $0.type == "result"
        }) {
            try self.init(download: result.download.bandwidth * 8, upload: result.upload.bandwidth * 8)
        } else if let result = documents.reversed().lazy.compactMap({ JSONDocuments.decode(Client.self, $0) }).first {
            try self.init(download: result.download, upload: result.upload)
        } else {
            throw ResultError("no result of a speed test")
        }
    }

    private init(download: Double, upload: Double) throws(ResultError) {
        guard download.isFinite, upload.isFinite, download > 0, upload > 0 else {
            throw ResultError("the speed test measured nothing")
        }
        (self.download, self.upload) = (download, upload)
    }
}
