// SPDX-License-Identifier: GPL-3.0-or-later

internal import Observability

extension StatusPage {
    /// What is wrong first and in full, what is well behind a fold.
    var parts: HTML {
        let wrong = [AgentStatus.Level.failure, .starting, .warning, .unknown].flatMap { level in
            status.parts.filter { $0.level == level }
        }
        let well = [AgentStatus.Level.ok, .off].flatMap { level in status.parts.filter { $0.level == level } }
        var body: HTML = wrong.isEmpty ? "" : "<ul class=\"parts\">\(wrong.map(part))</ul>"
        if status.parts.isEmpty { body = Self.empty("Nothing has been checked yet: the first look takes a moment.") }
        if !well.isEmpty {
            let names = well.map(\.name).joined(separator: ", ")
            body += """
                <details class="fold" id="well"><summary>\(Self.badge(.ok, "\(well.count) well")) <span class="hint">\(names)</span></summary>
                <ul class="parts">\(well.map(part))</ul></details>
                """
        }
        return section(
            "parts", "Parts",
            "What the agent depends on and what it is made of, as it was found at the last look. What is off is not configured.",
            body)
    }

    private func part(_ part: AgentStatus.Part) -> HTML {
        let meaning: HTML? = (Self.ownMeanings[part.name] ?? meaning(ofPart: part.name)).map { "<small>\($0)</small>" }
        let seen: HTML? = part.at.map { " <small>seen \(PageTime.span(max(0, status.now - $0))) ago</small>" }
        return """
            <li><span class="line">\(Self.badge(part.level)) <b>\(part.name)</b> \(meaning)</span>
            <span class="text">\(HTML.message(part.text))\(seen)</span></li>

            """
    }

    private static let ownMeanings = [
        "configuration": "the agent's settings",
        "user": "as whom the agent runs",
        "credentials": "keys that systemd hands to the agent",
        "token file": "opens this page to other hosts",
        "state folder": "where the agent keeps its files",
        "socket": "where plugins and commands reach the agent",
        "slurm.conf": "Slurm's settings",
        "slurmctld": "Slurm's controller",
        "SlurmUser": "whom slurmctld lets act for others",
        "slurmdbd": "Slurm's accounting",
        "jobcomp plugin": "tells of jobs from inside slurmctld",
        "SPANK plugin": "tells of starts from the nodes",
        "ledger": "the agent's memory of jobs",
        "clock": "this host's time",
    ]

    var numbers: HTML {
        let jobs = status.jobs
        let tiles: [HTML] =
            gateways.flatMap(\.firstTiles) + [
                Self.tile("Requests", jobs.openOrders, "not yet a Slurm job"),
                Self.tile("Runs", jobs.openRuns, "of any job of the cluster, not over"),
                Self.tile(
                    "Deliveries", status.deliveries.reduce(0) { $0 + $1.waiting }, "wait to be told to somebody"),
                Self.tile("Known", jobs.known, "jobs in the ledger, over or not"),
                Self.tile("Vanished", jobs.vanished, "forgotten by Slurm before their end was known"),
                Self.tile("Followed", jobs.vanishedFollowed ?? 0, "of these slurmdbd is asked about now and then"),
            ]
        return section("numbers", "Now", "How much there is to do.", "<dl class=\"tiles\">\(tiles)</dl>")
    }

    package static func tile(_ name: String, _ value: Int, _ hint: String) -> HTML {
        let digits = Amount.grouped("\(max(0, value))")
        return "<div><dt>\(name)</dt><dd><b>\(digits)</b> <small>\(hint)</small></dd></div>"
    }

    var deliveries: HTML {
        let items: [HTML] = status.deliveries.map { delivery in
            let isBehind = delivery.parked > 0 || (delivery.waiting > 0 && delivery.lastError != nil)
            let oldest: HTML? = delivery.oldest.map { "<li>the oldest since \(time.html($0))</li>" }
            let parked: HTML? =
                delivery.parked == 0
                ? nil
                : "<li>\(delivery.parked) parked: <code>slurm-grid-agent ledger retry --all</code> tries again</li>"
            let error: HTML? = delivery.lastError.map { "<span class=\"text\">Last error: \($0)</span>" }
            let waiting: HTML = delivery.waiting == 0 ? "nothing waits" : "\(delivery.waiting) waiting"
            return """
                <li><span class="line">\(Self.badge(isBehind ? .warning : .ok, isBehind ? "behind" : "ok")) <b>\(delivery.gateway)</b></span>
                <ul class="facts"><li>\(waiting)</li>\(oldest)\(parked)</ul>\(error)</li>

                """
        }
        return section(
            "deliveries", "Deliveries",
            "Each change of a job is told, in order, to each gateway that wants it. Parked: the gateway refused it for good.",
            items.isEmpty
                ? Self.empty(
                    isAnyAwaited
                        ? Self.notOpen : "Nobody has to be told: neither a grid nor a journal is configured.")
                : "<ul class=\"parts\">\(items)</ul>")
    }

    var problems: HTML {
        let items: [HTML] = status.problems.map { problem in
            let level: AgentStatus.Level = problem.level == "warning" ? .warning : .failure
            let count: HTML? = problem.count > 1 ? "<small>\(problem.count) times</small>" : nil
            return """
                <li><span class="line">\(Self.badge(level, problem.level)) \(time.html(problem.at)) \(count)</span>
                <span class="text">\(HTML.message(problem.message))</span></li>

                """
        }
        return section(
            "problems", "Last problems", "Warnings and errors of the log, the newest first; what repeats is counted.",
            items.isEmpty ? Self.empty("None since the start.") : "<ul class=\"parts\">\(items)</ul>")
    }

    var glossary: HTML {
        let terms: [(String, String)] =
            [
                ("Run", "one execution of a Slurm job; a job that is requeued has several"),
                ("Request", "what a grid asked for; it becomes one Slurm job, or is refused"),
                ("Delivery", "one change of one job, to be told to one gateway"),
            ] + gateways.flatMap(\.terms)
        let rows: [HTML] = terms.map { Self.row($0.0, "\($0.1)") }
        return "<details id=\"terms\"><summary>What the words mean</summary><dl class=\"rows\">\(rows)</dl></details>"
    }
}
