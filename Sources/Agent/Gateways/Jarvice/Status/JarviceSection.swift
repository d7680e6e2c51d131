// SPDX-License-Identifier: GPL-3.0-or-later

internal import Jarvice
internal import StatusViews

/// What the status has of the gateway of a JARVICE upstream.
struct JarviceSection: GatewayStatusSection {
    static let key: String? = "jarvice"

    /// Jobs that were submitted since the start, asked for once more, refused, and ended.
    var counts = JarviceCounts()
    /// The newest first.
    var refusals: [TokenRefusal] = []
    /// Seconds since the token issuer's keys were read; nil: not yet.
    var keyAge: Int64?
    var keys = 0
    var isInsecure = false
}

extension JarviceSection {
    init(_ word: JarviceGateway.Status, isInsecure: Bool) {
        self.init(
            counts: word.counts, refusals: word.refusals, keyAge: word.keyAge, keys: word.keyCount,
            isInsecure: isInsecure)
    }

    var text: String {
        var text =
            "\(counts.submitted) jobs submitted since the start, \(counts.ended) ended, \(counts.refused) calls refused"
        if let last = refusals.first { text += "; the last token refusal: \(last.reason)" }
        return isInsecure ? "tokens are not verified (jarvice.insecure-tokens); " + text : text
    }
}

extension AgentStatus {
    /// - Parameter doors: by key, why nobody can call there.
    mutating func take(_ word: JarviceGateway.Status, doors: [String: String], isInsecure: Bool, isDummy: Bool) {
        let section = JarviceSection(word, isInsecure: isInsecure)
        self[JarviceSection.self] = section
        if isDummy {
            set(.init(name: JarviceModule.name, level: .warning, text: "the connector is dummy: no job is submitted"))
        } else {
            set(.init(name: JarviceModule.name, level: isInsecure ? .warning : .ok, text: section.text))
        }
        for (key, why) in doors.sorted(by: { $0.key < $1.key }) {
            set(.init(name: key, level: .failure, text: why))
        }
    }
}
