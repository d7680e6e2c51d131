// SPDX-License-Identifier: GPL-3.0-or-later

/// Finds out which release a backend is, with requests that change nothing. No I/O: it names the next request, and is told the
/// answer.
struct ReleaseProbe: Sendable, Hashable {
    enum Request: Sendable, Hashable {
        /// POST `/nodestate/` without nodes: only 1.5 has it.
        case nodeStates
        /// POST `/jobs/start_job/` of a job without user and hosts, with a tag's scope: up to 1.3 has no such field.
        case tagScope
        /// GET `/clusters/`: 1.2 has it not.
        case clusters
    }

    enum Result: Sendable, Hashable {
        case next(Request)
        case found(BackendRelease)
        /// Not now, and why.
        case waits(String)
    }

    private(set) var request = Request.nodeStates

    mutating func take(_ answer: BackendAnswer) -> Result {
        let said = answer.text.isEmpty ? "HTTP \(answer.status)" : "HTTP \(answer.status): \(answer.text)"
        switch (request, answer.status) {
        case (_, 401), (_, 403): return .waits("\(said): the token or this host is refused")
        case (_, 300..<400):
            return .waits("\(said): it redirects, which is not followed: set the address that it leads to")
        case (_, 500...): return .waits(said)
        case (.nodeStates, 200): return .found(.v15)
        case (.nodeStates, 404): return go(.tagScope)
        case (.tagScope, 400):
            if answer.text.contains("unknown field") { return go(.clusters) }
            return .found(.v14)
        case (.clusters, 200): return .found(.v13)
        case (.clusters, 404): return .found(.v12)
        case (.tagScope, 404), (.tagScope, 405):
            return .waits("\(said): there is no cc-backend at this address, or it takes jobs by NATS only")
        default: return .waits("\(said): not an answer of cc-backend")
        }
    }

    private mutating func go(_ next: Request) -> Result {
        request = next
        return .next(next)
    }
}
