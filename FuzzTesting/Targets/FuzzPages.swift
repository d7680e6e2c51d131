// SPDX-License-Identifier: GPL-3.0-or-later

private let domains = ["h/job$", "jobs.example.org", "h/a/x$y/b", "http://x$y.h:80/p"].compactMap {
    try? JobsDomain($0)
}

/// A host, the target of a request line, and header fields, a line each. What is found of a job is in the request, the job's own
/// path is what is left of it, and no field goes on that belongs to the connection or to a proxy.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let text = text(bytes, count) else { return 0 }
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    guard lines.count > 1 else { return 0 }
    for domain in domains {
        guard case .job(let found)? = domain.match(host: lines[0], target: lines[1]) else { continue }
        hold(found.jobID > 0 && !found.secret.isEmpty && !found.secret.contains("/"), "no job")
        hold(found.path.hasPrefix("/") && found.prefix + found.path == lines[1], "another path")
        let url = domain.url(jobID: found.jobID, secret: found.secret)
        hold(url.hasSuffix(found.prefix + "/"), "another address than the one that is told")
    }
    let fields = lines.dropFirst(2).map { line -> (String, String) in
        let colon = line.firstIndex(of: ":") ?? line.endIndex
        return (String(line[..<colon]), String(line[colon...].dropFirst()))
    }
    let client = ForwardedFields.Client(address: "a", scheme: "https", host: nil, prefix: "/p")
    let sent = ForwardedFields.request(fields, of: client, isSocket: ForwardedFields.asksForSocket("GET", fields))
    for name in ["connection", "x-forwarded-for", "x-forwarded-prefix"] {
        hold(sent.count { $0.0.lowercased() == name } == 1, "two of \(name)")
    }
    let named = ForwardedFields.tokens("connection", fields)
    // Those of these that are sent are the proxy's own.
    let own: Set<String> = [
        "host", "content-length", "transfer-encoding", "connection", "upgrade", "x-forwarded-for", "x-forwarded-proto",
        "x-forwarded-prefix",
    ]
    hold(sent.allSatisfy { own.contains($0.0.lowercased()) || !named.contains($0.0.lowercased()) }, "of the connection")
    _ = ForwardedFields.answer(fields, prefix: "/p", isSocket: false)
    return 0
}
