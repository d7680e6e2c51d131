// SPDX-License-Identifier: GPL-3.0-or-later

/// The status page: one document without anything from elsewhere, readable without JavaScript. With it, the part `live` is
/// fetched again every few seconds.
///
/// Pure: what is shown depends on the status alone.
package struct StatusPage {
    private let modules: [any ShownGateway]
    package let status: AgentStatus
    /// Seconds for which the agent's own parts have not answered: what is shown is as old.
    var silentFor: Int64

    /// - Parameter modules: what adds to the page, in this order.
    package init(_ modules: [any ShownGateway], status: AgentStatus, silentFor: Int64 = 0) {
        (self.modules, self.status, self.silentFor) = (modules, status, silentFor)
    }

    package var time: PageTime { PageTime(now: status.now) }

    /// What each gateway adds.
    var gateways: [GatewayPage] { modules.map { $0.page(of: status, self) } }

    var isAnyAwaited: Bool { modules.contains { $0.isAwaited(in: status) } }

    /// What a part of a gateway is; nil: its name says it all.
    func meaning(ofPart name: String) -> String? {
        modules.lazy.compactMap { $0.parts[name]?.meaning }.first
    }

    /// Of what is configured.
    package static let notOpen = "Not open yet: see above what it waits for."

    /// - Parameter nonce: of the content security policy; new for each answer, letters and digits only.
    package func document(nonce: String) -> HTML {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <meta name="robots" content="noindex">
        <title>\(title)</title>
        <link rel="icon" href="icon.svg">
        <noscript><meta http-equiv="refresh" content="30"></noscript>
        <style nonce="\(nonce)">\(Self.style)</style>
        </head>
        <body>
        <p id="gone" role="alert" hidden></p>
        \(live)
        <footer>
        \(glossary)
        <p>The same for programs: <a href="metrics">metrics</a>, <a href="status.json">status.json</a>,
        <a href="readyz">readyz</a>, <a href="healthz">healthz</a>. On the head node: <code>slurm-grid-agent status</code>,
        <code>slurm-grid-agent check</code>, <code>journalctl -u slurm-grid-agent</code>.</p>
        <p>This page only shows; it changes nothing. <noscript>It reloads itself every 30 seconds.</noscript></p>
        </footer>
        <script nonce="\(nonce)">\(Self.script)</script>
        </body>
        </html>

        """
    }

    /// The part that changes, as `/live` answers it.
    package var live: HTML {
        """
        <main id="live" data-title="\(title)" data-version="\(status.version)">
        \(header)
        \(numbers)
        <div class="columns">
        <div class="column">
        \(parts)
        \(gateways.flatMap(\.left))
        \(problems)
        </div>
        <div class="column">
        \(deliveries)
        \(gateways.flatMap(\.right))
        </div>
        </div>
        </main>
        """
    }

    /// What a tab shows: trouble first, as it may be cut.
    private var title: String {
        let sign: String =
            switch status.health {
            case .ok, .off: ""
            case .starting: "… "
            case .warning, .unknown: "! "
            case .failure: "✕ "
            }
        return sign + "slurm-grid-agent" + (status.cluster.map { " on \($0)" } ?? "")
    }

    private var header: HTML {
        let cluster: HTML? = status.cluster.map { " <small>on cluster \($0)</small>" }
        let slurm: HTML? = status.slurmVersion.map { "<li>Slurm \($0)</li>" }
        let silence: HTML? =
            silentFor < 15
            ? nil
            : """
            <p class="note warning">\(Self.badge(.warning)) The agent's own parts have not answered for \(PageTime.span(silentFor)):
            what you see is as old.</p>
            """
        return """
            <header>
            <h1>slurm-grid-agent\(cluster)</h1>
            <p class="note \(Self.name(status.health))" id="health">\(Self.badge(status.health, Self.healthWords(status.health)))
            \(HTML.message(status.summary))</p>
            \(silence)
            <ul class="facts">
            <li>\(status.isReady ? "ready" : "not ready yet")</li>
            <li>version \(status.version)</li>
            \(slurm)
            <li>up \(PageTime.span(max(0, status.now - status.startedAt)))</li>
            <li>as of <time id="as-of" datetime="\(PageTime.iso(status.now) ?? "")">\(PageTime.full(status.now))</time>; all times are UTC</li>
            </ul>
            </header>
            """
    }

    // MARK: building blocks

    package static func name(_ level: AgentStatus.Level) -> String { level.rawValue }

    private static func healthWords(_ level: AgentStatus.Level) -> String {
        switch level {
        case .ok: "all well"
        case .off: "idle"
        case .starting: "starting"
        case .warning, .unknown: "needs a look"
        case .failure: "needs help"
        }
    }

    /// Colour, sign and word: none of them alone.
    package static func badge(_ level: AgentStatus.Level, _ words: String? = nil) -> HTML {
        let sign =
            switch level {
            case .ok: "✓"
            case .off: "–"
            case .starting: "…"
            case .unknown: "?"
            case .warning: "!"
            case .failure: "✕"
            }
        return """
            <span class="badge \(name(level))"><b aria-hidden="true">\(sign)</b> \(words ?? level.rawValue)</span>
            """
    }

    package func section(_ id: String, _ title: String, _ hint: String, _ body: HTML) -> HTML {
        """
        <section id="\(id)">
        <h2>\(title)</h2>
        <p class="hint">\(hint)</p>
        \(body)
        </section>

        """
    }

    package static func empty(_ text: String) -> HTML { "<p class=\"empty\">\(text)</p>" }

    /// A name and a value, with an explanation below.
    package static func row(_ name: String, _ value: HTML, _ hint: String? = nil) -> HTML {
        let small: HTML? = hint.map { "<small>\($0)</small>" }
        return "<div><dt>\(name)</dt><dd>\(value) \(small)</dd></div>"
    }

    /// A hash or an address: its ends, all of it in the title.
    package static func short(_ hash: String) -> HTML {
        guard hash.utf8.count > 20 else { return "<code>\(hash)</code>" }
        return "<code title=\"\(hash)\">\(String(hash.prefix(8)))…\(String(hash.suffix(6)))</code>"
    }

    /// Wei as units, with every digit in the title. What is no number is shown as it is.
    package static func amount(_ wei: String, _ unit: String? = nil) -> HTML {
        let unit = unit.map { "\u{a0}" + $0 } ?? ""
        guard let amount = Amount(wei: wei) else { return "\(wei)\(unit)" }
        return "<span title=\"\(amount.exact)\(unit)\">\(amount.rounded)\(unit)</span>"
    }
}
