// SPDX-License-Identifier: GPL-3.0-or-later

internal import Jarvice

extension AgentStatus {
    /// The gateway of a JARVICE upstream.
    struct Jarvice: Codable, Sendable, Equatable {
        /// Jobs that were submitted since the start, asked for once more, refused, and ended.
        var counts = JarviceCounts()
        /// The newest first.
        var refusals: [TokenRefusal] = []
        /// Seconds since the token issuer's keys were read; nil: not yet.
        var keyAge: Int64?
        var keys = 0
        var isInsecure = false
    }

    mutating func take(_ gateway: JarviceGateway, _ jarvice: JarviceConfiguration) async {
        let word = await gateway.status()
        let isInsecure = jarvice.settings.tokens.isInsecure
        self.jarvice = Jarvice(
            counts: word.counts, refusals: word.refusals, keyAge: word.keyAge, keys: word.keyCount,
            isInsecure: isInsecure)
        var text =
            "\(word.counts.submitted) jobs submitted since the start, \(word.counts.ended) ended, "
            + "\(word.counts.refused) calls refused"
        if let last = word.refusals.first { text += "; the last token refusal: \(last.reason)" }
        if isInsecure { text = "tokens are not verified (jarvice.insecure-tokens); " + text }
        set(.init(name: JarvicePart.name, level: isInsecure ? .warning : .ok, text: text))
    }
}

extension MetricsPage {
    static let jarvice: [MetricFamily] = [
        MetricFamily("jarvice_submissions", kind: .counter, "Calls of JARVICE to submit since the start, by outcome.") {
            status in
            guard let counts = status.jarvice?.counts else { return [] }
            return [
                .init(counts.submitted, ("outcome", "submitted")), .init(counts.repeated, ("outcome", "repeated")),
                .init(counts.refused, ("outcome", "refused")),
            ]
        },
        MetricFamily(
            "jarvice_token_refusals", kind: .counter, "Tokens, or users of tokens, that were refused since the start."
        ) { status in
            status.jarvice.map { [.init($0.counts.tokenRefused)] } ?? []
        },
        MetricFamily("jarvice_ended_jobs", kind: .counter, "Jobs of JARVICE that ended since the start.") { status in
            status.jarvice.map { [.init($0.counts.ended)] } ?? []
        },
        MetricFamily(
            "jarvice_key_age_seconds", unit: "seconds", "How long ago the token issuer's keys were read."
        ) { status in
            status.jarvice?.keyAge.map { [.init($0)] } ?? []
        },
        MetricFamily("jarvice_insecure_tokens", "1 when tokens are believed unverified, else 0.") { status in
            status.jarvice.map { [.init($0.isInsecure)] } ?? []
        },
    ]
}
