// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import Foundation
internal import JobLifecycle
internal import StatusViews

/// Makes the `AgentStatus` of the running agent.
struct StatusSource: Sendable {
    private let parts: RunningParts
    private let problems: @Sendable () -> [AgentStatus.Problem]
    private let problemCounts: @Sendable () -> [String: Int]

    /// How long a gateway may take for its word.
    private static let patience: Duration = .seconds(5)

    init(
        _ parts: RunningParts, problems: @escaping @Sendable () -> [AgentStatus.Problem] = { [] },
        problemCounts: @escaping @Sendable () -> [String: Int] = { [:] }
    ) {
        self.parts = parts
        self.problems = problems
        self.problemCounts = problemCounts
    }

    func current() async -> AgentStatus {
        let now = parts.now
        var status = AgentStatus(
            version: Version.number, startedAt: parts.startedAt, now: Int64(Date().timeIntervalSince1970), health: .ok,
            summary: "", isReady: false)
        status.cluster = now.scheduler?.controller.clusterName
        status.slurmVersion = now.slurmVersion
        status.problems = problems()
        status.problemCounts = problemCounts()
        status.parts = Self.parts(of: now.findings)
        if let ledger = now.ledger {
            do throws(LedgerError) {
                let counts = try await ledger.counts()
                status.jobs = .init(
                    openRuns: counts.openRuns, openOrders: counts.openOrders, ofGrid: 0, known: counts.jobs,
                    vanished: counts.vanished, vanishedFollowed: counts.vanishedHints, surplus: counts.surplus,
                    surplusRunning: counts.surplusRunning)
                status.deliveries = try await ledger.backlogs().map {
                    .init(
                        gateway: $0.gateway, waiting: $0.waiting, parked: $0.parked, oldest: $0.oldest,
                        lastError: $0.lastError)
                }
            } catch {
                status.set(.init(name: "ledger", level: .failure, text: error.description))
            }
        }
        if let trouble = now.storageTrouble ?? now.ledger?.storageTrouble {
            status.set(.init(name: "state folder", level: .failure, text: trouble))
        }
        if let trouble = now.slurmTrouble {
            status.set(.init(name: "slurm.conf", level: .init(trouble.level), text: trouble.description))
        }
        for module in parts.modules {
            guard let trouble = now.gateways[module.name]?.trouble else { continue }
            status.set(.init(name: module.troublePart, level: .init(trouble.level), text: trouble.description))
        }
        for (key, why) in now.doors.sorted(by: { $0.key < $1.key }) {
            status.set(.init(name: key, level: .failure, text: why))
        }
        status.listening = now.openDoors.sorted()
        let reports = await parts.answers.all(parts.modules, "status", within: Self.patience) { [parts] module in
            await module.report(now, parts.configuration)
        }
        for (module, report) in reports {
            if let report {
                report(&status)
            } else {
                status.set(
                    .init(name: module.troublePart, level: .failure, text: "\(module.name) does not say how it does"))
            }
        }
        var fresh: AgentConfiguration?
        var isUsable = true
        do throws(AgentConfiguration.Problem) {
            fresh = try parts.reread()
            status.note(
                fresh.flatMap { Self.unapplied(Reload(running: now.configuration ?? parts.configuration, fresh: $0)) })
        } catch {
            isUsable = false
            status.note(Self.unusable(error))
        }
        let awaited = parts.awaited
        status.isReady = now.isListening && !now.isEnding && parts.unopened.isEmpty
        status.health = status.parts.map(\.level.asHealth).max() ?? .ok
        if !awaited.isEmpty, status.health < .starting { status.health = .starting }
        status.summary = status.words(
            // Of a file that cannot be used nobody knows for whom it would have it work.
            awaited: awaited,
            hasUpstream: parts.hasUpstream || !isUsable || fresh.map(parts.hasUpstream(in:)) == true,
            modules: parts.modules, isEnding: now.isEnding)
        return status
    }

    /// What the configuration's file says and the agent does not do yet; nil: nothing.
    static func unapplied(_ reload: Reload) -> String? {
        let keys = (reload.waiting + reload.taken).map(\.key)
        guard let first = keys.first else { return nil }
        let (names, verb) = keys.count == 1 ? (first, "is") : ("\(first) and \(keys.count - 1) more", "are")
        return "the file was changed, and \(names) \(verb) not in force: systemctl "
            + "\(reload.waiting.isEmpty ? "reload" : "restart") slurm-grid-agent"
    }

    /// A file with which the agent would not start again.
    static func unusable(_ problem: AgentConfiguration.Problem) -> String {
        let lines = problem.lines
        let more = lines.count > 1 ? " (and \(lines.count - 1) more)" : ""
        return "the file was changed and cannot be used: \(lines.first ?? "it is not readable")\(more): correct it "
            + "before the next start, which it would end; `slurm-grid-agent check` tries it"
    }

    /// One part for each subject of the checks: the worst of its findings, and all that is not well.
    static func parts(of findings: [Finding]) -> [AgentStatus.Part] {
        var parts: [AgentStatus.Part] = []
        for finding in findings {
            let level = AgentStatus.Level(finding)
            guard let index = parts.firstIndex(where: { $0.name == finding.subject }) else {
                parts.append(.init(name: finding.subject, level: level, text: finding.text, at: finding.at))
                continue
            }
            if level > parts[index].level {
                parts[index] = .init(name: finding.subject, level: level, text: finding.text, at: finding.at)
            } else if level == parts[index].level {
                parts[index].text += "; " + finding.text
            }
        }
        return parts
    }
}

extension AgentStatus.Level {
    init(_ level: Finding.Level) {
        switch level {
        case .ok: self = .ok
        case .unknown: self = .unknown
        case .warning: self = .warning
        case .failure: self = .failure
        }
    }

    init(_ finding: Finding) {
        self = finding.text.hasPrefix("off: ") ? .off : .init(finding.level)
    }
}

extension AgentStatus {
    /// - Parameter unapplied: what the configuration's file says and is not in force; nil: nothing.
    fileprivate mutating func note(_ unapplied: String?) {
        guard let unapplied else { return }
        let known = parts.first { $0.name == "configuration" }
        guard known.map({ $0.level < .warning }) != false else { return }
        set(.init(name: "configuration", level: .warning, text: unapplied))
    }

    /// The line for systemd: what is wrong, else what goes on and what could be next.
    ///
    /// - Parameters:
    ///   - awaited: what is being opened for the first time.
    ///   - hasUpstream: whether there is somebody to work for.
    func words(
        awaited: [String], hasUpstream: Bool, modules: [any GatewayModule], isEnding: Bool
    ) -> String {
        if isEnding { return "ending: finishing what is under way" }
        let worst = parts.first { $0.level == .failure }
        if !awaited.isEmpty, worst == nil { return "starting: waits for \(awaited.joined(separator: ", "))" }
        guard let cluster else {
            return "idle: \(parts.first { $0.name == "slurm.conf" }?.text ?? "reading slurm.conf")"
        }
        let doing =
            "cluster \(cluster): \(jobs.openRuns) open run\(jobs.openRuns == 1 ? "" : "s")"
            + modules.compactMap { $0.summary(of: self) }.map { ", " + $0 }.joined()
            + deliveries.filter { $0.waiting + $0.parked > 0 }.map {
                ", \($0.waiting) \($0.waiting == 1 ? "delivery" : "deliveries") to \($0.gateway) waiting"
                    + ($0.parked > 0 ? ", \($0.parked) parked" : "")
            }.joined()
        // What is unknown makes a warning of the whole, too.
        let troubles = [Level.failure, .warning, .unknown].flatMap { level in parts.filter { $0.level == level } }
        var trouble = troubles.first.map { "; \($0.level.rawValue.uppercased()) \($0.name): \($0.text)" } ?? ""
        if troubles.count > 1 {
            // One line: the rest by name.
            trouble += " (also not well: \(troubles.dropFirst().map(\.name).joined(separator: ", ")))"
        }
        if worst != nil { return doing + trouble }
        if !hasUpstream {
            return doing + trouble
                + "; no grid is configured: /etc/slurm-grid-agent/config.yaml, then `slurm-grid-agent check`"
        }
        return doing + trouble
    }
}
