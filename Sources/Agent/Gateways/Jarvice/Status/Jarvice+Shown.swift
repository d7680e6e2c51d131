// SPDX-License-Identifier: GPL-3.0-or-later

internal import Jarvice
internal import StatusViews

extension StatusScreen {
    var jarvice: GatewayScreen {
        guard let section = status[JarviceSection.self] else { return GatewayScreen() }
        return GatewayScreen(lines: wrap(section.text, "jarvice", limit: 2))
    }
}

extension StatusPage {
    /// Nothing of it where there is none: most clusters have none.
    var jarvice: GatewayPage {
        guard let section = status[JarviceSection.self] else { return GatewayPage() }
        let counts = section.counts
        let tokens: HTML =
            section.isInsecure
            ? "\(Self.badge(.warning, "not verified")) <code>jarvice.insecure-tokens</code> is true"
            : "\(Self.badge(.ok, "verified"))"
        let keys: HTML =
            section.keyAge.map { "\(section.keys), read \(PageTime.span(max(0, $0))) ago" } ?? "not read yet"
        var rows: [HTML] = [
            Self.row("Submitted", "\(counts.submitted)", "jobs, since the start"),
            Self.row("Asked for again", "\(counts.repeated)", "answered with the job that was there"),
            Self.row("Refused", "\(counts.refused)", "calls to submit, \(counts.tokenRefused) of them for their token"),
            Self.row("Ended", "\(counts.ended)", "jobs, since the start"),
            Self.row("Tokens", tokens),
        ]
        if !section.isInsecure { rows.append(Self.row("Keys", keys, "of the token issuer")) }
        let refusals: [HTML] = section.refusals.map { refusal in
            "<li>\(time.html(refusal.at)) \(refusal.reason)</li>"
        }
        let list: HTML? =
            refusals.isEmpty ? nil : "<h3>Tokens that were refused, the newest first</h3><ul>\(refusals)</ul>"
        return GatewayPage(right: [
            self.section(
                "jarvice", "JARVICE", "What the JARVICE upstream asked for.", "<dl class=\"rows\">\(rows)</dl>\(list)")
        ])
    }
}
