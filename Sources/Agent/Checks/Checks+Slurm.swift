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
        findings += plugins(cluster) + jarviceSelection(cluster)
        if configuration.chain.contract != nil {
            findings += await partition(controller)
            if isThorough { findings += await supervisorJobs(controller) }
            if isThorough || !again.isDisjoint(with: Self.ofCustomers) {
                findings += await customers(cluster, controller)
            }
            findings += benchmarkUser(cluster)
        }
        return findings
    }

    /// What only slurmctld can tell.
    private static let bySlurmctld = ["SlurmUser", "slurmdbd", "jobcomp plugin", "SPANK plugin", "partition"]

    private func untried(_ subjects: [String], because why: String) -> [Finding] {
        subjects.filter { $0 != "partition" || configuration.chain.contract != nil }
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

    // MARK: what the grid gets

    private func partition(_ controller: SlurmController) async -> [Finding] {
        do throws(SlurmError) {
            let inventory = try await controller.inventory(partition: configuration.grid.partition)
            guard !inventory.nodes.isEmpty else {
                return [
                    failure("partition", "\(inventory.partition) has no nodes: give it some, or set slurm.partition")
                ]
            }
            let words =
                "\(inventory.partition): \(inventory.nodes.count) nodes, \(inventory.total.cpus) CPUs, \(inventory.total.gpus) GPUs"
            var findings = [
                inventory.state == .up
                    ? ok("partition", words)
                    : warning(
                        "partition",
                        "\(words); it is \(inventory.state), jobs wait: "
                            + "scontrol update PartitionName=\(inventory.partition) State=UP")
            ]
            // What slurmctld has not heard since its start, or what is powered down, comes by itself.
            if inventory.nodes.allSatisfy({ $0.state.base == .down || $0.state.flags.contains(.drain) }) {
                findings.append(
                    warning(
                        "partition",
                        "none of the nodes of \(inventory.partition) can take a job (`sinfo -R` says why), jobs wait: "
                            + "scontrol update NodeName=\(Hostlist.compress(inventory.nodes.map(\.name))) State=RESUME")
                )
            }
            if let hidden = inventory.hidden {
                findings.append(warning("partition", "\(inventory.partition): \(hidden.note)"))
            }
            return findings
        } catch {
            let advice = error.code == .partition ? ": correct slurm.partition" : ""
            return [failure("partition", error.description + advice)]
        }
    }

    /// benchmark.run-as, where somebody has set it.
    func benchmarkUser(_ cluster: Cluster) -> [Finding] {
        let benchmark = configuration.benchmark
        guard configuration.places["benchmark.run-as"] != nil, !benchmark.isDisabled,
            Self.isSystemUser(benchmark.effectiveUser, cluster)
        else { return [] }
        return [
            warning(
                "benchmark.run-as",
                "\(benchmark.effectiveUser): no job runs as root, SlurmUser or the agent's user; name another one")
        ]
    }

    /// Today's supervisor marks its jobs so.
    private func supervisorJobs(_ controller: SlurmController) async -> [Finding] {
        let jobs: [Job]
        do throws(SlurmError) {
            jobs = try await controller.findJobs(commentPrefix: "supervisor ")
        } catch {
            return [unknown("supervisor", because: "whether one still runs cannot be seen: \(error)")]
        }
        let its = jobs.filter { !$0.state.hasEnded }
        guard let newest = its.compactMap(\.submitTime).max() else { return [] }
        return [
            warning(
                "supervisor",
                "\(its.count) jobs in the queue are a supervisor's, the newest submitted \(LocalTime.text(newest)): stop the supervisor "
                    + "before the agent starts; its jobs are taken over")
        ]
    }
}
