// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials

/// What a backend of ClusterCockpit answers: its reasons, its lists of jobs, its clusters with their lists of nodes; and what a NATS
/// server says.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    let reason = BackendText.reason(input)
    hold(reason.count <= 301, "an endless reason")
    hold(!reason.contains("\n") && !reason.contains("\0"), "a reason of several lines")
    for status in [200, 201, 301, 400, 401, 404, 422, 500, 502] {
        for call in BackendCall.allCases {
            let meaning = AnswerTable.meaning(of: BackendAnswer(status, reason), to: call, release: .v14)
            // A start is over when it was created, or is known to be there; nothing else says so.
            if case .done = meaning, call == .start { hold(status == 201 || status == 500, "done by \(status)") }
        }
        var probe = ReleaseProbe()
        for _ in 0..<4 {
            guard case .next = probe.take(BackendAnswer(status, reason)) else { break }
        }
    }
    _ = try? JSONDecoder().decode(JobListPage.self, from: Data(input))
    if let page = try? JSONDecoder().decode(ClustersPage.self, from: Data(input)) {
        for cluster in page.clusters.prefix(4) {
            let found = BackendTopology(page, cluster: cluster.name)
            hold(found != nil, "a cluster that is there and is not")
            for node in ["n1", "n01.example.org", ""] { _ = found?.find(node) }
        }
    }
    if let list = text(bytes, count) {
        let nodes = BackendNodeList(list)
        for node in ["n1", "a01b", String(repeating: "1", count: 255), list] { _ = nodes.contains(node) }
        _ = nodes.named(short: "n1")
    }
    // However what a NATS server says is cut.
    var (whole, cut) = (NATSDecoder(), NATSDecoder())
    let said = try? whole.take(input)
    var parts: [NATSMessage]? = []
    for byte in input {
        guard let more = try? cut.take([byte]) else {
            parts = nil
            break
        }
        parts?.append(contentsOf: more)
    }
    hold(said == parts, "the same words in parts are others")
    return 0
}
