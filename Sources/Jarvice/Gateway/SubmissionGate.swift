// SPDX-License-Identifier: GPL-3.0-or-later

/// One at a time of each key: of submissions who asks for the same meanwhile waits, and then finds it in the ledger.
public actor SubmissionGate {
    private var waiting: [String: [CheckedContinuation<Void, Never>]] = [:]

    public init() {}

    public func enter(_ key: String) async {
        guard waiting[key] != nil else {
            waiting[key] = []
            return
        }
        await withCheckedContinuation { waiting[key]?.append($0) }
    }

    public func leave(_ key: String) {
        guard var others = waiting[key], !others.isEmpty else {
            waiting[key] = nil
            return
        }
        let next = others.removeFirst()
        waiting[key] = others
        next.resume()
    }
}
