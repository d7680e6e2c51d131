// SPDX-License-Identifier: GPL-3.0-or-later

internal import CommandOutput
internal import StatusViews

extension StatusScreen {
    /// What chain and grid add to the screen.
    var deepSquare: GatewayScreen {
        var screen = GatewayScreen()
        if status.grid != nil { screen.counts = ["\(status.jobs.ofGrid) of the grid"] }
        if let day = status.outcomes?.lastDay {
            let failed = day.failed + day.endedFailed
            if day.refused + failed > 0 {
                screen.lastCounts = ["in 24 h \(day.refused) refused, \(failed) failed"]
            }
        }
        if let chain = status.chain { screen.lines += lines(of: chain) }
        if let grid = status.grid {
            var words = [grid.state]
            if grid.isDrained { words.append("drained") }
            if let credits = grid.credits { words.append("credits \(Self.amount(credits))") }
            screen.lines += wrap(words.joined(separator: "; "), "grid", limit: 2)
        }
        screen.alarms = (status.chain?.alarms ?? [:]).sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        screen.blocks = [held, jobs]
        return screen
    }

    private func lines(of chain: AgentStatus.Chain) -> [String] {
        var words = ["\(chain.id)", "head \(chain.head.map(String.init) ?? "unknown")"]
        if chain.lag == 0 {
            words.append("logs up to date")
        } else if let readTo = chain.readTo {
            words.append("logs read to \(readTo)" + (chain.lag.map { ", \($0) behind" } ?? ""))
        }
        words.append("sending \(chain.inFlight)" + (chain.waiting > 0 ? ", \(chain.waiting) wait" : ""))
        let balance = chain.balance.map { "balance \(Self.amount($0)) coins" } ?? "balance unknown"
        return wrap(words.joined(separator: "; "), "chain", limit: 2)
            + wrap("\(chain.account), \(balance)", "account", limit: 2)
    }

    var held: ScreenLayout.Block {
        let entries = status.held.map { report in
            let until = report.until.map { "; until \(clock($0, status.now))" } ?? ""
            let slurm = report.slurmJob.map { " (Slurm \($0))" } ?? ""
            return wrap("\(report.reason)\(until)", label: "\(job(report.job))\(slurm)  ", limit: isTight ? 1 : 2)
        }
        return .init(
            name: "DELAYED", title: "DELAYED: kept back for full pay, or tried again", entries: entries,
            whereElse: "slurm-grid-agent grid jobs")
    }

    var jobs: ScreenLayout.Block {
        var table = Table(["JOB IN FLIGHT", "CLAIM", "SLURM", "CHAIN", "MINUTES", "STATE"], rightAligned: [1, 2, 4])
        let open = status.recentJobs.filter { !$0.isOver }
        for one in open {
            table.add([
                job(one.id), "\(one.claim)", one.slurmJob.map(String.init) ?? "-", one.chainStatus,
                "\(one.minutes)", one.state + (one.trouble.map { " (\($0))" } ?? ""),
            ])
        }
        let lines = table.render().split(separator: "\n").map(String.init)
        return .init(
            name: "JOBS IN FLIGHT", title: lines[0], entries: lines.dropFirst().map { [$0] },
            whereElse: "slurm-grid-agent grid status")
    }

    private static func amount(_ wei: String) -> String { Amount(wei: wei)?.rounded ?? "unknown" }

    /// Ids are small numbers, or hashes of which the two ends will do for the eye.
    private func job(_ id: String) -> String {
        let short = GridCommand.short(id)
        return columns == nil || short.count <= 18 ? short : "\(short.prefix(10))…\(short.suffix(4))"
    }
}
