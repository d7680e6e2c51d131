// SPDX-License-Identifier: GPL-3.0-or-later

internal import CommandOutput
internal import Observability
internal import Support

/// What `status` shows: health, what goes on, what waits and why, what went wrong. One screen of a terminal, 80×24 and up.
package struct StatusScreen {
    private let modules: [any ShownGateway]
    package let status: AgentStatus
    /// nil: no terminal, nothing is cut.
    package var columns: Int?
    package var rows: Int?
    /// A moment, seen from `now`: the time of day, with its day if it is another one.
    package var clock: (_ time: Int64, _ now: Int64) -> String = LocalTime.short

    /// Entries of one line, when there are too many.
    package private(set) var isTight = false

    /// - Parameter modules: what adds to the screen, in this order.
    package init(
        _ modules: [any ShownGateway], status: AgentStatus, columns: Int? = nil, rows: Int? = nil,
        clock: @escaping (_ time: Int64, _ now: Int64) -> String = LocalTime.short
    ) {
        self.modules = modules
        (self.status, self.columns, self.rows, self.clock) = (status, columns, rows, clock)
    }

    /// Printable, whatever grids and users named their things.
    package var lines: [String] {
        var lines = layout.allLines
        if let rows, lines.count > rows {
            var tight = self
            tight.isTight = true
            lines = tight.layout.lines(rows: rows)
        }
        return lines.map { ScreenText.cut(PrintableText.of($0), to: columns) }
    }

    package var text: String { lines.joined(separator: "\n") }

    /// What each gateway adds.
    private var gateways: [GatewayScreen] { modules.map { $0.screen(of: status, self) } }

    private var layout: ScreenLayout {
        var layout = ScreenLayout()
        layout.parts = [.fixed(head), .gap, .block(troubles), .fixed(overview), .block(deliveries)]
        for block in gateways.flatMap(\.blocks) + [problems] where !block.entries.isEmpty {
            layout.parts += [.gap, .block(block)]
        }
        return layout
    }

    // MARK: always there

    private var head: [String] {
        var words = ["slurm-grid-agent \(status.version)"]
        if let cluster = status.cluster { words.append("cluster \(cluster)") }
        if !status.isReady { words.append("NOT READY") }
        words.append("up \(PageTime.span(status.now - status.startedAt))")
        if let version = status.slurmVersion { words.append("Slurm \(version)") }
        let right = clock(status.now, status.now)
        var left: String { Self.label(status.health.word) + words.joined(separator: ", ") }
        guard let columns else { return [left + "   " + right, status.summary] }
        func room() -> Int { columns - ScreenText.width(left) - ScreenText.width(right) }
        while room() < 2, words.count > 1 { words.removeLast() }
        return [left + String(repeating: " ", count: max(2, room())) + right]
            + wrap(status.summary, limit: isTight ? 2 : 3)
    }

    private var overview: [String] {
        var lines: [String] = []
        for level in [AgentStatus.Level.ok, .off] {
            let names = status.parts.filter { $0.level == level }.map { $0.name + age(of: $0, from: 90) }
            if !names.isEmpty { lines += wrap(names.joined(separator: ", "), level.rawValue, limit: 2) }
        }
        let jobs = status.jobs
        let gateways = gateways
        var words = gateways.flatMap(\.counts)
        words.append("\(jobs.openRuns) open run\(jobs.openRuns == 1 ? "" : "s")")
        if jobs.openOrders > 0 { words.append("\(jobs.openOrders) not in Slurm yet") }
        words.append("\(jobs.known) known")
        words += gateways.flatMap(\.lastCounts)
        if jobs.surplusRunning > 0 { words.append("\(jobs.surplusRunning) run a second time") }
        lines += wrap(words.joined(separator: ", "), "jobs", limit: 1)
        if jobs.vanished > 0 {
            let followed = jobs.vanishedFollowed ?? 0
            lines += wrap(
                "\(jobs.vanished) forgotten by Slurm before their end was known"
                    + (followed > 0 ? "; slurmdbd is asked about \(followed) now and then" : ""),
                "vanished", limit: 2)
        }
        lines += gateways.flatMap(\.lines)
        return lines
    }

    // MARK: what may be shortened

    private var troubles: ScreenLayout.Block {
        let parts = status.parts.filter { $0.level > .ok }.sorted { $0.level > $1.level }.map { part in
            wrap("\(part.name): \(part.text)\(age(of: part, from: 10))", part.level.word, limit: isTight ? 2 : 3)
        }
        let alarms = gateways.flatMap(\.alarms).map { name, words in
            wrap("\(name): \(words)", "ALARM", limit: isTight ? 2 : 3)
        }
        return .init(name: "TROUBLE", entries: parts + alarms, whereElse: "slurm-grid-agent check")
    }

    private var deliveries: ScreenLayout.Block {
        let behind = status.deliveries.filter { $0.waiting + $0.parked > 0 }.map { one in
            var words = ["\(one.waiting) wait"]
            if let oldest = one.oldest { words[0] += ", the oldest for \(PageTime.span(status.now - oldest))" }
            if one.parked > 0 { words.append("\(one.parked) PARKED") }
            if let error = one.lastError { words.append(error) }
            return wrap("\(one.gateway): " + words.joined(separator: "; "), "behind", limit: isTight ? 1 : 2)
        }
        return .init(name: "BEHIND", entries: behind, whereElse: "slurm-grid-agent ledger list --waiting")
    }

    private var problems: ScreenLayout.Block {
        let entries = status.problems.map { problem in
            let times = problem.count > 1 ? " ×\(problem.count)" : ""
            return wrap(
                problem.message, label: "\(clock(problem.at, status.now)) \(problem.level)\(times)  ",
                limit: isTight ? 1 : 2)
        }
        return .init(
            name: "LAST PROBLEMS", title: "LAST PROBLEMS: warnings and errors of the log", entries: entries,
            whereElse: "journalctl -u slurm-grid-agent -p warning")
    }

    // MARK: words

    /// ` (12 s ago)`; empty for what was found less than so many seconds ago.
    private func age(of part: AgentStatus.Part, from least: Int64) -> String {
        guard let at = part.at, status.now - at >= least else { return "" }
        return " (\(PageTime.span(status.now - at)) ago)"
    }

    /// In the column beside the labels.
    package func wrap(_ text: String, _ name: String? = nil, label: String? = nil, limit: Int) -> [String] {
        let start = label ?? name.map(Self.label) ?? ""
        return ScreenText.wrap(PrintableText.of(text), label: start, columns: columns, limit: limit)
    }

    private static func label(_ name: String) -> String {
        name + String(repeating: " ", count: max(1, 9 - name.count))
    }
}

extension AgentStatus.Level {
    /// What is not well is to be seen.
    fileprivate var word: String {
        switch self {
        case .ok: "ok"
        case .off: "idle"
        case .starting: "STARTING"
        case .unknown: "UNKNOWN"
        case .warning: "WARNING"
        case .failure: "FAILURE"
        }
    }
}
