// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import Glibc
internal import Slurm
internal import SpankBridge

/// The plugins: what they said last, then what slurmctld and the files say.
extension Checks {
    static let howTo = "`slurm-grid-agent plugins status` has the lines"

    func plugins(_ cluster: Cluster) -> [Finding] {
        let answer = heard()
        let heard: PluginRegistry.Snapshot? = if case .success(let snapshot) = answer { snapshot } else { nil }
        var findings: [Finding] = []
        let jobcomp = heard?.jobcomp.first
        if cluster.jobCompletionType != PluginAdvice.jobCompletion {
            let named = cluster.jobCompletionType ?? "jobcomp/none"
            findings.append(
                warning(
                    "jobcomp plugin",
                    Self.absence(
                        named: named, isHeard: Self.isOfThisStart(jobcomp?.lastHeard, cluster.runsFor),
                        isInFile: fileNamesPlugin)))
        } else if let hello = jobcomp?.hello {
            let words = "Slurm \(hello.running ?? "?"), records \(hello.mode ?? "not begun")"
            findings.append(
                hello.dropped > 0
                    ? warning("jobcomp plugin", "\(words); it dropped \(hello.dropped) events: they are polled for")
                    : hello.mode == "lean"
                        ? ok(
                            "jobcomp plugin",
                            "\(words) (\(hello.modeReason ?? "no reason given")): slurmctld is asked for the rest")
                        : ok("jobcomp plugin", words))
        } else {
            findings.append(
                ok(
                    "jobcomp plugin",
                    answer.failure.map { "in slurm.conf; \($0.description)" }
                        ?? "in slurm.conf; not heard since the agent started"))
        }
        if let heard, !heard.nodes.isEmpty {
            findings.append(ok("SPANK plugin", "heard of \(heard.nodes.count) nodes"))
        } else {
            switch cluster.plugstackFile.map({ Plugstack.search(for: "spank_grid_agent.so", in: $0) }) {
            case .named(let file):
                findings.append(ok("SPANK plugin", "in \(file); no node has been heard yet"))
            case .unreadable(let why):
                findings.append(
                    warning(
                        "SPANK plugin", "no node has been heard, and whether it is installed cannot be seen: \(why)"))
            case .notNamed, nil:
                findings.append(
                    warning("SPANK plugin", "no node has been heard: starts are seen by polling only; " + Self.howTo))
            }
        }
        findings += spool(cluster, heard?.jobcomp.first?.hello)
        return findings
    }

    /// Whether the plugin spoke since slurmctld was started: what it says itself is newer than any file.
    static func isOfThisStart(
        _ lastHeard: Double?, _ runsFor: Int64, now: Double = Date().timeIntervalSince1970
    ) -> Bool {
        lastHeard.map { $0 >= now - Double(runsFor) } ?? false
    }

    /// Why slurmctld's settings do not name the agent's plugin.
    static func absence(named: String, isHeard: Bool, isInFile: Bool) -> String {
        if isHeard {
            return
                "it reports, but slurm.conf names JobCompType=\(named) now: the next start of slurmctld is without it; \(howTo)"
        }
        if isInFile {
            return "slurm.conf names it, and slurmctld still runs JobCompType=\(named): systemctl restart slurmctld"
        }
        return "slurmctld runs JobCompType=\(named): ends are seen by polling only; "
            + (named == "jobcomp/none" ? "" : "the agent's plugin hands on to it what it is told; ") + howTo
    }

    private var fileNamesPlugin: Bool {
        let file =
            configuration.slurmConf ?? getenv("SLURM_CONF").map { String(cString: $0) } ?? "/etc/slurm/slurm.conf"
        guard let data = FileManager.default.contents(atPath: file) else { return false }
        return Self.namesPlugin(String(decoding: data, as: UTF8.self))
    }

    /// The last line counts, as in Slurm.
    static func namesPlugin(_ text: String) -> Bool {
        var found = false
        for line in text.split(whereSeparator: \.isNewline) {
            let words = line.prefix { $0 != "#" }.filter { !$0.isWhitespace }.lowercased()
            guard words.hasPrefix("jobcomptype=") else { continue }
            found = words == "jobcomptype=" + PluginAdvice.jobCompletion
        }
        return found
    }

    /// An agent that does not run, and one that cannot be asked, are not the same.
    private func heard() -> Result<PluginRegistry.Snapshot, ControlClient.Failure> {
        if let running { return .success(running.registry.snapshot) }
        let client = ControlClient(socket: configuration.controlSocket, patience: 10)
        do {
            let answer = try client.answer(to: ControlRequest("plugins"))
            return .success(try ControlAnswer.decode(ControlHandlers.PluginsAnswer.self, answer).plugins)
        } catch let failure as ControlClient.Failure {
            return .failure(
                failure.isAbsent ? .init(exitStatus: 69, description: "the agent does not run") : failure)
        } catch {
            return .failure(.init(exitStatus: 1, description: "the agent's answer cannot be read: \(error)"))
        }
    }
}

extension Result {
    fileprivate var failure: Failure? { if case .failure(let error) = self { error } else { nil } }
}
