// SPDX-License-Identifier: GPL-3.0-or-later

internal import Jarvice
internal import StatusViews

/// What became of calls of the JARVICE upstream.
enum JarviceMetrics {
    static let families: [MetricFamily] = [
        MetricFamily("jarvice_submissions", kind: .counter, "Calls of JARVICE to submit since the start, by outcome.") {
            status in
            guard let counts = status[JarviceSection.self]?.counts else { return [] }
            return [
                .init(counts.submitted, ("outcome", "submitted")), .init(counts.repeated, ("outcome", "repeated")),
                .init(counts.refused, ("outcome", "refused")),
            ]
        },
        MetricFamily(
            "jarvice_token_refusals", kind: .counter, "Tokens, or users of tokens, that were refused since the start."
        ) { status in
            status[JarviceSection.self].map { [.init($0.counts.tokenRefused)] } ?? []
        },
        MetricFamily("jarvice_ended_jobs", kind: .counter, "Jobs of JARVICE that ended since the start.") { status in
            status[JarviceSection.self].map { [.init($0.counts.ended)] } ?? []
        },
        MetricFamily(
            "jarvice_key_age_seconds", unit: "seconds", "How long ago the token issuer's keys were read."
        ) { status in
            status[JarviceSection.self]?.keyAge.map { [.init($0)] } ?? []
        },
        MetricFamily("jarvice_insecure_tokens", "1 when tokens are believed unverified, else 0.") { status in
            status[JarviceSection.self].map { [.init($0.isInsecure)] } ?? []
        },
    ]
}
