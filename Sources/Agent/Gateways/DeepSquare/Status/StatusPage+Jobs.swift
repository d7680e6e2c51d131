// SPDX-License-Identifier: GPL-3.0-or-later

internal import StatusViews

extension StatusPage {
    /// So many of those that are over; the rest is behind a fold.
    private static let shownAtOnce = 8

    var recentJobs: HTML {
        let open = status.recentJobs.filter { !$0.isOver }
        let over = status.recentJobs.filter { $0.isOver }
        var body: HTML = ""
        if status.recentJobs.isEmpty {
            body = Self.empty(noJobs)
        } else {
            body += "<h3>Under way</h3>"
            body +=
                open.isEmpty
                ? Self.empty("None: all that was claimed is over and reported.") : "<div>\(open.map(job))</div>"
            if !over.isEmpty { body += "<h3>Over</h3><div>\(over.prefix(Self.shownAtOnce).map(job))</div>" }
            let earlier = over.dropFirst(Self.shownAtOnce)
            if !earlier.isEmpty {
                body += """
                    <details class="fold" id="earlier"><summary>\(earlier.count) earlier</summary><div>\(earlier.map(job))</div></details>
                    """
            }
        }
        return section(
            "jobs", "Jobs of the grid",
            "What customers asked for, from request to payment. Open one to see its way; the newest come first.", body)
    }

    private var noJobs: String {
        if status.grid != nil {
            return "No job yet. One appears here as soon as the agent has claimed it from the grid."
        }
        return status.hasGrid == true
            ? "\(Self.notOpen) Jobs that are under way are shown then."
            : "This agent serves no grid: metascheduler.smart-contract is not configured. Slurm's own jobs are followed all "
                + "the same."
    }

    private func job(_ job: AgentStatus.Job) -> HTML {
        let slurm: HTML =
            job.slurmJob.map { "Slurm job \($0)" } ?? (job.isOver ? "no Slurm job known" : "not in Slurm yet")
        let earned: HTML? = job.earned.map { "<span>earned \(Self.amount($0, "credits"))</span>" }
        let trouble: HTML? = job.isOver ? nil : job.trouble.map { "<span class=\"note warning\">\($0)</span>" }
        // A job that came back has the same id and another claim.
        return """
            <details class="job" id="job-\(job.id)-\(job.claim)">
            <summary>
            <span class="line">\(sign(job)) <span class="what">\(job.state)</span></span>
            <span class="facts"><span>\(Self.short(job.id))</span> <span>\(slurm)</span> <span>\(minutes(job))</span> \(earned)</span>
            \(trouble)
            </summary>
            \(steps(job))
            <dl class="rows full">
            \(Self.row("On the chain", "\(job.chainStatus)", "the status that the contract has"))
            \(Self.row("Job", "<code>\(job.id)</code>"))
            \(Self.row("Customer", "<code>\(job.customer)</code>"))
            \(job.trouble.map { Self.row("Trouble", "\($0)") })
            \(transactions(job))
            </dl>
            </details>

            """
    }

    /// How a customer's job ended is no trouble of this cluster's: no colour.
    private func sign(_ job: AgentStatus.Job) -> HTML {
        let (kind, sign) =
            if job.isOver {
                ("off", "■")
            } else if job.trouble != nil {
                ("warning", "!")
            } else {
                ("ok", "▸")
            }
        return """
            <span class="badge \(kind)"><b aria-hidden="true">\(sign)</b> \(job.chainStatus)</span>
            """
    }

    private func minutes(_ job: AgentStatus.Job) -> HTML {
        if let reported = job.reportedMinutes { return "\(reported) of \(job.minutes) min reported" }
        return "\(job.minutes) min bought"
    }

    private func steps(_ job: AgentStatus.Job) -> HTML {
        guard !job.steps.isEmpty else { return Self.empty("Nothing is known of its way: it is older than the ledger.") }
        var list: HTML = ""
        var last: Int64?
        for step in job.steps {
            let transaction: HTML? = step.transaction.map { " <small>transaction \(Self.short($0))</small>" }
            let passed: HTML? = last.map { "<small>+\(PageTime.span(max(0, step.at - $0)))</small>" }
            list += """
                <li><time datetime="\(PageTime.iso(step.at) ?? "")">\(time.short(step.at))</time> \(passed ?? "<small></small>")
                <span>\(step.what)\(transaction)</span></li>

                """
            last = step.at
        }
        return "<ol class=\"steps\">\(list)</ol>"
    }

    /// In full, to be copied; each once.
    private func transactions(_ job: AgentStatus.Job) -> HTML? {
        var seen: Set<String> = []
        let hashes = job.steps.compactMap(\.transaction).filter { seen.insert($0).inserted }
        guard !hashes.isEmpty else { return nil }
        let list: [HTML] = hashes.map { "<code>\($0)</code>" }
        return Self.row(hashes.count == 1 ? "Transaction" : "Transactions", "<div class=\"hashes\">\(list)</div>")
    }
}
