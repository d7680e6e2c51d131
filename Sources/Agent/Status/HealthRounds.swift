// SPDX-License-Identifier: GPL-3.0-or-later

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
    private static let thoroughEvery = 10
    /// How long the first report waits for the parts to open.
    private static let patience: Duration = .seconds(20)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await every(Self.ping) { await pingController() } }
                group.addTask { await rounds() }
            }
        }
    }

    private func rounds() async {
        await partsAreOpen()
        var count = 0
        var before: [Finding]?
        while !Task.isCancelled {
            let isThorough = count % Self.thoroughEvery == 0
            let found = await Checks(
                configuration: configuration, file: file, running: parts, isThorough: isThorough
            ).all()
            if Task.isCancelled { return }
            // What this round did not try stays as the last thorough one has found it.
            let tried = Set(found.map(\.subject))
            let kept =
                isThorough
                ? [] : (before ?? []).filter { !tried.contains($0.subject) && Self.costly.contains($0.subject) }
            let findings = found + kept
            tell(findings, before: before)
            parts.change { $0.findings = findings }
            before = findings
            count += 1
            try? await Task.sleep(for: Self.round)
        }
    }

    private static let costly: Set<String> = ["slurmdbd", "supervisor", "sbatch service", "key's use"]

    /// Each finding at the start; later only what has changed for the worse or the better.
    private func tell(_ findings: [Finding], before: [Finding]?) {
        for finding in findings {
            let old = before?.first { $0.subject == finding.subject && $0.level == finding.level }
            if old != nil { continue }
            let level: Logger.Level =
                switch finding.level {
                case .ok: before == nil ? .info : .notice
                case .warning: .warning
                case .failure: .error
                }
            logger.log(
                level: level, "check: \(finding.subject)",
                metadata: ["found": "\(finding.text)", "is": "\(finding.level)"])
        }
    }

    private func partsAreOpen() async {
        let end = ContinuousClock.now + Self.patience
        while !Task.isCancelled, ContinuousClock.now < end {
            let now = parts.now
            let slurm = now.isListening || now.slurmTrouble != nil
            let chain = configuration.chain.nodes.isEmpty || now.chain != nil || now.chainTrouble != nil
            if slurm && chain { return }
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
        parts.change { now in
            guard let index = now.findings.firstIndex(where: { $0.subject == "slurmctld" }) else { return }
            if let found {
                now.findings[index] = Finding(level: .failure, subject: "slurmctld", text: found)
            } else if now.findings[index].level == .failure {
                now.findings[index] = Finding(level: .ok, subject: "slurmctld", text: "answers again")
            }
        }
    }
}
