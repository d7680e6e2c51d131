// SPDX-License-Identifier: GPL-3.0-or-later

internal import StatusViews

extension StatusPage {
    /// What chain and grid add to the page.
    var deepSquare: GatewayPage {
        var page = GatewayPage()
        page.firstTiles = [Self.tile("Jobs of the grid", status.jobs.ofGrid, "claimed and not yet closed")]
        if let day = status.outcomes?.lastDay {
            page.firstTiles += [
                Self.tile("Refused", day.refused, "jobs went back to the grid within a day"),
                Self.tile(
                    "Failed", day.failed + day.endedFailed, "jobs of the grid within a day, in Slurm or before"),
            ]
        }
        page.left = [recentJobs]
        page.right = [held, chain, grid, earnings]
        page.terms = [
            ("Claim", "the agent's transaction that takes a job from the grid's queue"),
            ("Scheduled, Running", "statuses on the chain: claimed; started in Slurm"),
            ("Finished, Failed, Cancelled", "how a job ended, as the contract has it"),
            ("OutOfCredits", "the time that the customer bought was used up"),
            ("Panicked", "ended by the grid itself"),
            ("Lag", "blocks that the chain has and the agent has not read yet"),
            ("Alarm", "something about the account that a person should look at; it is taken back when it is over"),
            ("Credits", "the grid's money; amounts are rounded, all digits are in the title of each"),
        ]
        return page
    }

    var held: HTML {
        let items: [HTML] = status.held.map { report in
            let slurm: HTML? = report.slurmJob.map { "<li>Slurm job \($0)</li>" }
            let until: HTML = report.until.map { "until \(time.html($0))" } ?? "until that changes"
            return """
                <li><ul class="facts"><li>\(Self.short(report.job))</li>\(slurm)<li>\(until)</li></ul>
                <span class="text">\(report.reason)</span></li>

                """
        }
        return section(
            "held", "Delayed reports",
            "Ends of jobs that are kept back for a while because that is paid better, or because something is missing.",
            items.isEmpty ? Self.empty("None is delayed.") : "<ul class=\"parts\">\(items)</ul>")
    }
}
