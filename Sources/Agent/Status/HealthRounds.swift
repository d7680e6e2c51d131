// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import FoundationEssentials
internal import Logging
internal import ServiceLifecycle
internal import Slurm

/// Tries, again and again, what the agent depends on: the report at start, and what `status` says of each part.
struct HealthRounds: Service {
    let configuration: AgentConfiguration
    let file: String?
    let parts: RunningParts
    let logger: Logger

    /// A ping is cheap (0.2 ms), the other checks less so, and a sign-in at somebody's service costs them.
    private static let ping: Duration = .seconds(5)
    private static let round: Duration = .seconds(30)
    /// While something fails: whoever works on it looks at `status`.
    private static let roundInTrouble: Duration = .seconds(10)
    private static let thoroughEvery: Duration = .seconds(300)
    /// How long the first report waits for the parts to open.
    private static let patience: Duration = .seconds(20)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await every(Self.ping) { await pingController() } }
                let storage = StorageWatch(folder: configuration.stateFolder, parts: parts)
                group.addTask { await every(Self.ping) { await storage.look() } }
                group.addTask { await rounds() }
            }
        }
    }

    private func rounds() async {
        await partsAreOpen()
        var lastThorough: ContinuousClock.Instant?
        var before: [Finding]?
        while !Task.isCancelled {
            let now = ContinuousClock.now
            let isThorough = lastThorough.map { now - $0 >= Self.thoroughEvery } ?? true
            if isThorough { lastThorough = now }
            // What was not well last time is tried again soon, the rest of what costs more is not.
            let again = isThorough ? [] : Self.unwell(before ?? [])
            let shape = Shape(parts)
            let begun = Self.seconds
            let found = await Checks(
                configuration: parts.now.configuration ?? configuration, file: file, running: parts,
                isThorough: isThorough, again: again
            ).all().map { finding in
                var finding = finding
                finding.at = begun
                return finding
            }
            if Task.isCancelled { return }
            let findings = found + (isThorough ? [] : Self.kept(before ?? [], found: found, again: again))
            tell(findings, before: before)
            parts.change { $0.findings = findings }
            before = findings
            let isInTrouble = findings.contains { $0.level == .failure }
            if await isOtherThan(shape, within: isInTrouble ? Self.roundInTrouble : Self.round) { lastThorough = nil }
        }
    }

    private static var seconds: Int64 { Int64(Date().timeIntervalSince1970) }

    /// What is open, what keeps the rest from it, and who has spoken.
    struct Shape: Equatable {
        var isOpen: [Bool]
        var troubles: [String?]
        var introductions: Int

        init(_ parts: RunningParts) {
            let now = parts.now
            isOpen = [now.ledger != nil] + parts.modules.map { now.gateways[$0.name]?.running != nil }
            troubles =
                [now.slurmTrouble?.description] + parts.modules.map { now.gateways[$0.name]?.trouble?.description }
            introductions = parts.registry.introductions
        }
    }

    /// What has been opened since is looked at right away, and thoroughly.
    private func isOtherThan(_ shape: Shape, within time: Duration) async -> Bool {
        let end = ContinuousClock.now + time
        while !Task.isCancelled, ContinuousClock.now < end {
            try? await Task.sleep(for: .seconds(1))
            if Shape(parts) != shape { return true }
        }
        return false
    }

    /// Tried in thorough rounds only; in between they stay as they were found.
    static let costly = Gateways.all.reduce(into: Set(["slurmdbd"])) { costly, module in
        costly.formUnion(module.checkPace.costly)
        costly.formUnion(module.checkPace.group)
    }

    private static let retried = Gateways.all.reduce(into: Set(["slurmdbd"])) { retried, module in
        retried.formUnion(module.checkPace.retried)
        retried.formUnion(module.checkPace.group)
    }

    /// Of what costs more, that which can be back any moment.
    static func unwell(_ findings: [Finding]) -> Set<String> {
        Set(findings.filter { $0.level != .ok }.map(\.subject)).intersection(retried)
    }

    /// What a round did not try stays as the last thorough one has found it.
    /// - Parameter again: what was tried all the same; what goes together only where slurmctld answers.
    static func kept(_ before: [Finding], found: [Finding], again: Set<String>) -> [Finding] {
        var tried = Set(found.map(\.subject))
        let isUp = found.contains { $0.subject == "slurmctld" && $0.level == .ok }
        for group in Gateways.all.map(\.checkPace.group) where isUp && !again.isDisjoint(with: group) {
            tried.formUnion(group)
        }
        return before.filter { !tried.contains($0.subject) && costly.contains($0.subject) }
    }

    /// Each finding at the start; later only what has changed for the worse or the better.
    private func tell(_ findings: [Finding], before: [Finding]?) {
        for finding in findings {
            guard let line = Self.line(of: finding, before: before) else { continue }
            logger.log(
                level: line.level, "\(line.text)",
                metadata: ["part": "\(finding.subject)", "result": "\(finding.level)"])
        }
    }

    /// nil: it is no news, or somebody else tells it.
    static func line(of finding: Finding, before: [Finding]?) -> (level: Logger.Level, text: String)? {
        if before?.contains(where: { $0.subject == finding.subject && $0.level == finding.level }) == true {
            return nil
        }
        // Who polls slurmctld tells when it falls silent and when it answers again.
        if finding.subject == "slurmctld", before != nil { return nil }
        let isNews = before?.contains { $0.subject == finding.subject } == true
        let level: Logger.Level =
            switch finding.level {
            case .ok: isNews ? .notice : .info
            case .unknown: .info
            case .warning: .warning
            case .failure: .error
            }
        let word = finding.level == .ok ? "" : "\(finding.level): "
        return (level, "check: \(finding.subject): \(word)\(finding.text)")
    }

    private func partsAreOpen() async {
        let end = ContinuousClock.now + Self.patience
        while !Task.isCancelled, ContinuousClock.now < end {
            let now = parts.now
            let slurm = now.isListening || now.slurmTrouble != nil
            let gateways = parts.modules.filter(\.isUpstream).allSatisfy { module in
                guard let state = now.gateways[module.name] else { return !module.isConfigured(in: configuration) }
                return state.running != nil || state.trouble != nil
            }
            if slurm && gateways { return }
            try? await Task.sleep(for: .milliseconds(100))
        }
    }

    /// Between the rounds: slurmctld's silence is to be seen at once.
    private func pingController() async {
        guard let controller = parts.now.scheduler?.controller else { return }
        var trouble: String?
        do throws(SlurmError) {
            try await controller.ping()
        } catch {
            trouble = error.description
        }
        let found = trouble
        let time = Self.seconds
        parts.change { now in
            guard let index = now.findings.firstIndex(where: { $0.subject == "slurmctld" }) else { return }
            now.findings[index].at = time
            if let found {
                now.findings[index] = Finding(level: .failure, subject: "slurmctld", text: found, at: time)
            } else if now.findings[index].level == .failure {
                now.findings[index] = Finding(level: .ok, subject: "slurmctld", text: "answers again", at: time)
            }
        }
    }
}
