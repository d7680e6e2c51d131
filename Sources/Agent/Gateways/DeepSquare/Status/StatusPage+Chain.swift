// SPDX-License-Identifier: GPL-3.0-or-later

internal import StatusViews

extension StatusPage {
    var chain: HTML {
        let hint =
            "The account's transactions and what is read of the chain. A quiet chain makes no blocks: that is no fault."
        guard let chain = status.chain else {
            return section(
                "chain", "Chain", hint,
                Self.empty(
                    status.hasChain == true
                        ? Self.notOpen : "Off: metascheduler.endpoint.rpc names no node of a chain."))
        }
        let alarms: [HTML] = chain.alarms.sorted { $0.key < $1.key }.map { name, words in
            "<p class=\"note warning\">\(Self.badge(.warning, "alarm")) <b>\(name)</b>: \(words)</p>"
        }
        let balance: HTML = chain.balance.map { Self.amount($0, "coins") } ?? "not known yet"
        let rows: [HTML] = [
            Self.row("Balance", balance, "of the account, in the chain's coin: it pays for transactions"),
            Self.row("Newest block", block(chain.head), "of chain \(chain.id)"),
            Self.row("Read to", readTo(chain), "events of the grid up to this block have been taken"),
            Self.row("In flight", "\(chain.inFlight)", "transactions sent and not yet in a block"),
            Self.row("Waiting", "\(chain.waiting)", "transactions to be sent after those"),
            Self.row("Account", "<code>\(chain.account)</code>"),
        ]
        return section("chain", "Chain", hint, "\(alarms)<dl class=\"rows\">\(rows)</dl>")
    }

    private func block(_ number: UInt64?) -> HTML {
        number.map { "\(Amount.grouped("\($0)"))" } ?? "not known yet"
    }

    private func readTo(_ chain: AgentStatus.Chain) -> HTML {
        guard chain.readTo != nil else { return "nothing read yet" }
        switch chain.lag {
        case nil: return block(chain.readTo)
        case 0: return "\(block(chain.readTo)), up to date"
        case 1: return "\(block(chain.readTo)), 1 block behind"
        case let lag?: return "\(block(chain.readTo)), \(Amount.grouped("\(lag)")) blocks behind"
        }
    }

    var grid: HTML {
        let hint = "This cluster's entry as a provider of the grid."
        guard let grid = status.grid else {
            return section(
                "grid", "Grid", hint,
                Self.empty(
                    status.hasGrid == true ? Self.notOpen : "Off: metascheduler.smart-contract is not configured."))
        }
        let approval: HTML = grid.isApproved ? Self.badge(.ok, "approved") : Self.badge(.warning, "not approved")
        let claiming: HTML =
            grid.isDrained
            ? "\(Self.badge(.warning, "drained")) claims nothing until <code>slurm-grid-agent provider resume</code>"
            : !grid.isApproved
                ? "nothing until the grid approves"
                : grid.obstacles?.isEmpty == false
                    ? "\(Self.badge(.warning, "waits")) \(grid.obstacles?.joined(separator: "; ") ?? "")"
                    : "claims what fits"
        let rows: [HTML] = [
            Self.row("Provider", "\(approval) \(grid.state)"),
            Self.row("New jobs", claiming),
            Self.row(
                "Credits", grid.credits.map { Self.amount($0, "credits") } ?? "not known yet",
                "on the provider's account"),
            Self.row("Contract", "<code>\(grid.contract)</code>"),
        ]
        return section("grid", "Grid", hint, "<dl class=\"rows\">\(rows)</dl>")
    }

    var earnings: HTML {
        let hint = "Credits that this provider was paid, by day (UTC)."
        guard !status.earnings.isEmpty else {
            return section(
                "earnings", "Earnings", hint,
                Self.empty(
                    status.grid == nil
                        ? status.hasGrid == true ? Self.notOpen : "Off: no grid is configured."
                        : "Nothing yet: a job is paid when the contract has its end."))
        }
        let values = status.earnings.map { Amount(wei: $0.credits)?.approximate ?? 0 }
        let most = values.max() ?? 0
        let rows: [HTML] = zip(status.earnings, values).map { day, value in
            let width = most > 0 ? Int((value / most * 100).rounded()) : 0
            return """
                <tr><th scope="row">\(day.day)</th><td>\(day.jobs)</td><td>\(Self.amount(day.credits))</td>
                <td class="bar"><svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect width="\(width)" height="8"/></svg></td></tr>

                """
        }
        return section(
            "earnings", "Earnings", hint,
            """
            <table><thead><tr><th scope="col">Day</th><th scope="col">Jobs</th><th scope="col">Credits</th>
            <td class="bar"></td></tr></thead><tbody>\(rows)</tbody></table>
            """)
    }
}
