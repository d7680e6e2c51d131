// SPDX-License-Identifier: GPL-3.0-or-later

internal import DeepSquare
internal import Ethereum
internal import FoundationEssentials
internal import Glibc
internal import JobLifecycle
internal import Logging
internal import Slurm
internal import SpankBridge

/// Everything that `run` depends on, tried one after the other.
struct Checks {
    let configuration: AgentConfiguration
    let file: String?

    func all() async -> [Finding] {
        var findings = own()
        findings += await slurm()
        findings += await chain()
        return findings
    }

    private func ok(_ subject: String, _ text: String) -> Finding { Finding(level: .ok, subject: subject, text: text) }
    private func warning(_ subject: String, _ text: String) -> Finding {
        Finding(level: .warning, subject: subject, text: text)
    }
    private func failure(_ subject: String, _ text: String) -> Finding {
        Finding(level: .failure, subject: subject, text: text)
    }

    // MARK: this host

    private func own() -> [Finding] {
        var findings = [ok("configuration", file ?? "no file: the defaults, the environment and flags")]
        findings += configuration.notices.map { warning("configuration", $0) }
        if geteuid() == 0 {
            findings.append(
                warning("user", "root: the agent runs as SlurmUser; run this as that user too (sudo -u slurm)"))
        }
        let folder = configuration.stateFolder
        if access(folder, F_OK) != 0 {
            findings.append(
                failure("state folder", "\(folder) is not there: make it, owned by SlurmUser, of mode 0700"))
        } else if access(folder, W_OK | X_OK) != 0 {
            findings.append(failure("state folder", "\(folder) cannot be written by this user: chown it to SlurmUser"))
        } else {
            findings.append(ok("state folder", folder))
            findings.append(ledger(folder))
        }
        for path in [configuration.bridgeSocket, configuration.controlSocket] {
            do {
                _ = try UnixSocketPath(path)
                findings.append(ok("socket", path))
            } catch {
                findings.append(failure("socket", "\(error)"))
            }
        }
        return findings
    }

    private func ledger(_ folder: String) -> Finding {
        let path = folder + "/ledger.sqlite"
        guard access(path, F_OK) == 0 else { return ok("ledger", "none yet: the first start makes it") }
        do throws(LedgerError) {
            _ = try Ledger(reading: path)
            return ok("ledger", path)
        } catch {
            return failure("ledger", error.description)
        }
    }

    // MARK: Slurm

    private func slurm() async -> [Finding] {
        var settings = SlurmController.Configuration()
        settings.configurationFile = configuration.slurmConf
        let controller: SlurmController
        let cluster: Cluster
        do throws(SlurmError) {
            controller = try await SlurmController.connect(settings)
            cluster = try await controller.cluster()
        } catch {
            return [failure("slurmctld", error.description)]
        }
        defer { controller.close() }
        var findings = [ok("slurmctld", "cluster \(cluster.name), Slurm \(cluster.controllerVersion)")]
        if cluster.slurmUserID != geteuid(), geteuid() != 0 {
            findings.append(
                failure("SlurmUser", "this user is not \(cluster.slurmUserName): jobs cannot be submitted for others"))
        }
        findings.append(await accounting(cluster))
        if configuration.chain.contract != nil {
            findings += await partition(controller)
            findings += await supervisorJobs(controller)
        }
        return findings
    }

    private func accounting(_ cluster: Cluster) async -> Finding {
        guard cluster.hasAccounting else {
            return cluster.minimumJobAge < 300
                ? warning(
                    "slurmdbd",
                    "none, and slurmctld forgets ended jobs after \(cluster.minimumJobAge) s (MinJobAge): an agent that is away "
                        + "for longer cannot know how they ended; set MinJobAge=3600 or use slurmdbd")
                : ok("slurmdbd", "none; slurmctld remembers ended jobs for \(cluster.minimumJobAge) s (MinJobAge)")
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

    private func partition(_ controller: SlurmController) async -> [Finding] {
        do throws(SlurmError) {
            let inventory = try await controller.inventory(partition: configuration.grid.partition)
            guard !inventory.nodes.isEmpty else {
                return [failure("partition", "\(inventory.partition) has no nodes: set slurm.partition")]
            }
            let words =
                "\(inventory.partition): \(inventory.nodes.count) nodes, \(inventory.total.cpus) CPUs, \(inventory.total.gpus) GPUs"
            return [
                inventory.state == .up
                    ? ok("partition", words) : warning("partition", "\(words); it is \(inventory.state), jobs wait")
            ]
        } catch {
            return [failure("partition", error.description)]
        }
    }

    /// Today's supervisor marks its jobs so.
    private func supervisorJobs(_ controller: SlurmController) async -> [Finding] {
        guard let jobs = try? await controller.jobs().jobs else { return [] }
        let its = jobs.filter { !$0.state.hasEnded && $0.comment?.hasPrefix("supervisor ") == true }
        guard let newest = its.compactMap(\.submitTime).max() else { return [] }
        return [
            warning(
                "supervisor",
                "\(its.count) jobs in the queue are a supervisor's, the newest submitted \(LocalTime.text(newest)): stop the supervisor "
                    + "before the agent starts; its jobs are taken over")
        ]
    }

    // MARK: the chain

    private func chain() async -> [Finding] {
        let settings = configuration.chain
        guard !settings.nodes.isEmpty else { return [ok("chain", "off: metascheduler.endpoint.rpc is not set")] }
        let quiet = Logger(label: "check") { _ in SwiftLogNoOpLogHandler() }
        var findings: [Finding] = []
        let transport: HTTPTransport
        let signer: any TransactionSigner
        do {
            transport = try HTTPTransport(certificateAuthority: settings.certificateAuthority)
            signer = try ChainParts.signer(settings, transport, quiet)
            findings.append(ok("key", signer.address.checksummed))
        } catch {
            return [failure("key", "\(error)")]
        }
        let client = RPCClient(endpoints: settings.nodes, chainID: settings.id, transport: transport, logger: quiet)
        findings += await account(client, signer)
        if let contract = settings.contract {
            findings += await grid(contract, client, signer)
        }
        await transport.shutdown()
        return findings
    }

    private func account(_ client: RPCClient, _ signer: any TransactionSigner) async -> [Finding] {
        do throws(RPCError) {
            let id = try await client.chainID()
            let answer = try await client.call("eth_getBalance", [.string(signer.address.hex), .string("latest")])
            guard let balance = answer.text.flatMap(Quantity.decode) else {
                throw RPCError(.malformed, "eth_getBalance gives no number")
            }
            return [
                ok("chain", "id \(id)"),
                balance == 0
                    ? failure("balance", "the account has no coins for gas: send it some")
                    : ok("balance", "\(balance) wei"),
            ]
        } catch {
            return [failure("chain", error.description)]
        }
    }

    private func grid(_ contract: Address, _ client: RPCClient, _ signer: any TransactionSigner) async -> [Finding] {
        var findings: [Finding] = []
        do throws(GridError) {
            let probe = try await GridProbe(contract: contract, account: signer.address, client: client)
            findings.append(ok("contract", contract.checksummed))
            let approval = try await probe.approval()
            findings.append(
                approval.isApproved
                    ? ok("provider", approval.words)
                    : warning(
                        "provider", "\(approval.words): nothing is claimed or reported until the grid approves it"))
            findings += await clock(probe)
            findings += try await otherUsers(probe)
        } catch {
            findings.append(failure("contract", error.description))
        }
        do throws(GridError) {
            try await GridProbe.tryService(configuration.grid, signer: signer)
            findings.append(ok("sbatch service", "\(configuration.grid.sbatch)"))
        } catch {
            findings.append(failure("sbatch service", error.description))
        }
        return findings
    }

    /// An idle chain makes no blocks: only a clock that runs ahead of ours can be told.
    private func clock(_ probe: GridProbe) async -> [Finding] {
        guard let time = try? await probe.time() else { return [] }
        let ahead = Double(time) - Date().timeIntervalSince1970
        return ahead > 30
            ? [
                warning(
                    "clock", "the chain's newest block is \(Int(ahead)) s ahead of this host: set the clock (chrony)")
            ] : []
    }

    private static let recent: UInt64 = 3600

    private func otherUsers(_ probe: GridProbe) async throws(GridError) -> [Finding] {
        let store = try? ChainStore(reading: configuration.stateFolder + "/chain.sqlite")
        defer { store?.close() }
        let since = UInt64(max(0, Date().timeIntervalSince1970)) - Self.recent
        let foreign = try await probe.foreignClaims(since: since) { hash in
            guard let store else { return false }
            return (try? await store.knows(hash)) == true
        }
        guard let last = foreign.max(by: { $0.time < $1.time }) else {
            return [ok("key's use", "nobody else's in the last hour")]
        }
        let when = LocalTime.text(Date(timeIntervalSince1970: Double(last.time)))
        return [
            warning(
                "key's use",
                "another program claimed jobs with this key, last at \(when) (\(last.transaction)): a supervisor that still runs? Stop it; "
                    + "two senders of one key race for nonces")
        ]
    }
}
