// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import Glibc
internal import JobLifecycle
internal import Slurm
internal import SpankBridge
internal import Support

/// slurm.conf, slurmctld, slurmdbd, the plugins, and the ledger of their jobs.
extension Checks {
    func slurm() async -> [Finding] {
        let controller: SlurmController
        if let running {
            guard let scheduler = running.now.scheduler else {
                let trouble = running.now.slurmTrouble
                return [
                    trouble.map { Finding(level: $0.level, subject: "slurm.conf", text: $0.description) }
                        ?? unknown("slurm.conf", because: "it is being read")
                ]
            }
            controller = scheduler.controller
        } else {
            var settings = SlurmController.Configuration()
            settings.configurationFile = configuration.slurmConf
            do throws(SlurmError) {
                controller = try await SlurmController.connect(settings)
            } catch {
                let absence = SlurmPart.absence(configuration.slurmConf)
                return [
                    absence.map { warning("slurm.conf", $0.description) } ?? failure("slurm.conf", error.description),
                    await ledger(),
                ]
                    + untried(["slurmctld"] + Self.bySlurmctld, because: "slurm.conf cannot be used")
            }
        }
        defer { if running == nil { controller.close() } }
        var findings = [ok("slurm.conf", "cluster \(controller.clusterName)"), await ledger()]
        let cluster: Cluster
        do throws(SlurmError) {
            try await controller.ping()
            // Its plugins are what a restart of slurmctld has just changed.
            cluster = try await controller.cluster(maximumAge: .zero)
        } catch {
            findings.append(failure("slurmctld", error.description))
            return findings + untried(Self.bySlurmctld, because: "slurmctld does not answer")
        }
        if let running {
            running.change { $0.slurmVersion = cluster.controllerVersion }
            if isThorough, let nodes = try? await controller.nodes() { running.registry.expect(nodes: nodes.count) }
        }
        findings.append(ok("slurmctld", "cluster \(cluster.name), Slurm \(cluster.controllerVersion)"))
        if cluster.slurmUserID == geteuid() {
            findings.append(ok("SlurmUser", cluster.slurmUserName))
        } else if geteuid() != 0 {
            findings.append(
                failure(
                    "SlurmUser",
                    "this user is not \(cluster.slurmUserName): jobs cannot be submitted for others. Run this as \(cluster.slurmUserName); "
                        + "the unit's User= must be that user too (systemctl edit slurm-grid-agent)"))
        }
        if isThorough || again.contains("slurmdbd") { findings.append(await accounting(cluster)) }
        findings += plugins(cluster)
        return findings
            + (await ofGateways("checks of the cluster") {
                await $0.checks(self, cluster: cluster, controller: controller)
            })
    }

    /// What only slurmctld can tell.
    private static let bySlurmctld = ["SlurmUser", "slurmdbd", "jobcomp plugin", "SPANK plugin"]

    private func untried(_ subjects: [String], because why: String) -> [Finding] {
        (subjects + modules.flatMap { $0.clusterSubjects(in: configuration) })
            .filter { $0 != "slurmdbd" || isThorough }.map { unknown($0, because: why) }
    }

    private func ledger() async -> Finding {
        let path = configuration.stateFolder + "/ledger.sqlite"
        if let running {
            guard let ledger = running.now.ledger else { return unknown("ledger", because: "it is being opened") }
            if let trouble = ledger.storageTrouble { return failure("ledger", trouble) }
            do throws(LedgerError) {
                // Else a disk that fails would be found by the first job.
                try await ledger.tryStorage()
                let found = "\(try await ledger.counts().jobs) jobs in \(path)"
                let left = try await ledger.unconfigured()
                guard !left.isEmpty else { return ok("ledger", found) }
                return warning(
                    "ledger", "\(found); \(left.map { $0.words(configuration.retention) }.joined(separator: "; "))")
            } catch {
                return failure("ledger", error.description)
            }
        }
        guard access(path, F_OK) == 0 else {
            return errno == ENOENT ? ok("ledger", "none yet: the first start makes it") : unseen("ledger", path)
        }
        if geteuid() != 0, let trouble = FileFault.advice(writing: path) { return failure("ledger", trouble) }
        do throws(LedgerError) {
            let ledger = try Ledger(reading: path)
            defer { ledger.close() }
            let findings = try await ledger.verify()
            return findings.isEmpty
                ? ok("ledger", "\(try await ledger.counts().jobs) jobs in \(path), nothing is amiss")
                : failure(
                    "ledger",
                    "\(path): \(findings.count) findings, the first: \(findings[0]) (`slurm-grid-agent ledger verify` has all)"
                )
        } catch {
            return failure("ledger", error.description)
        }
    }

    /// What only the agent's user may see is neither well nor amiss.
    func unseen(_ subject: String, _ path: String) -> Finding {
        let why = String(cString: strerror(errno))
        return unknown(
            subject, because: "\(path) cannot be seen by this user (\(why)): run `slurm-grid-agent check` as root")
    }

    private func accounting(_ cluster: Cluster) async -> Finding {
        guard cluster.hasAccounting else {
            return cluster.minimumJobAge < 300
                ? warning(
                    "slurmdbd",
                    "none, and slurmctld forgets ended jobs after \(cluster.minimumJobAge) s (MinJobAge): an agent that is away "
                        + "for longer cannot know how they ended; set MinJobAge=3600 or use slurmdbd")
                : ok(
                    "slurmdbd",
                    "none; slurmctld remembers ended jobs for \(cluster.minimumJobAge) s (MinJobAge): how they ended cannot be "
                        + "known after an absence that is longer")
        }
        do throws(SlurmError) {
            let answer = try await SlurmAccounting(configurationFile: configuration.slurmConf).jobs(
                endedSince: Int64(Date().timeIntervalSince1970))
            return answer.isAuthoritative
                ? ok("slurmdbd", "answers") : failure("slurmdbd", "hides jobs from this user: run as SlurmUser")
        } catch {
            return warning("slurmdbd", error.description)
        }
    }
}
