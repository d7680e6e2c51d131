// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials

/// What is read of the backend's answers. What is not read here may look as it likes.
struct JobListPage: Decodable, Sendable {
    struct Row: Decodable, Sendable, Hashable {
        var jobId: Int64
        var startTime: Int64
        var jobState: String?
        var arrayJobId: Int64?
    }

    var jobs: [Row]
}

struct ClustersPage: Decodable, Sendable {
    struct Cluster: Decodable, Sendable {
        var name: String
        var subClusters: [SubCluster]
    }

    struct SubCluster: Decodable, Sendable {
        var name: String
        var nodes: String?
        var topology: Topology?
    }

    struct Topology: Decodable, Sendable {
        struct Accelerator: Decodable, Sendable {
            var id: String
        }

        var node: [Int]?
        var socket: [[Int]]?
        var core: [[Int]]?
        var accelerators: [Accelerator]?
    }

    var clusters: [Cluster]
}

enum BackendText {
    /// The reason in the body of an answer that is no success: of JSON the member `error`, also where a second document
    /// follows; else the text without markup, on one line.
    static func reason(_ body: [UInt8], limit: Int = 300) -> String {
        struct Refusal: Decodable { var error: String? }
        let head = Array(body.prefix(64 * 1024))
        if let refusal = try? JSONDecoder().decode(Refusal.self, from: Data(head)), let error = refusal.error {
            return cut(error, limit)
        }
        // Two JSON documents one after the other.
        if head.first == UInt8(ascii: "{"), let end = head.firstIndex(of: UInt8(ascii: "}")),
            let refusal = try? JSONDecoder().decode(Refusal.self, from: Data(head[...end])), let error = refusal.error
        {
            return cut(error, limit)
        }
        let text = String(decoding: head, as: UTF8.self)
        if text.contains("<html") || text.contains("<HTML") || text.contains("<!") {
            return "a web page, not cc-backend's answer"
        }
        return cut(text, limit)
    }

    private static func cut(_ text: String, _ limit: Int) -> String {
        let line = text.split(whereSeparator: { $0.isNewline || $0 == "\0" }).joined(separator: " ")
        return line.count <= limit ? line : String(line.prefix(limit)) + "…"
    }
}
