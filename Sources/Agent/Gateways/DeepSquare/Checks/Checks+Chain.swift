// SPDX-License-Identifier: GPL-3.0-or-later

internal import DeepSquare
internal import Ethereum
internal import FoundationEssentials
internal import Glibc
internal import Logging
internal import NIOConcurrencyHelpers
internal import StatusViews
internal import Support

/// The key, the nodes, the contract and the grid's services.
extension Checks {
    func chain() async -> [Finding] {
        let settings = configuration.chain
        guard !settings.nodes.isEmpty else { return [ok("chain", "off: metascheduler.endpoint.rpc is not set")] }
        if let running {
            let now = running.now
            guard let chain = now.chain else {
                if let trouble = now.chainTrouble { return [failure("chain", trouble.description)] }
                guard now.slurmTrouble != nil else { return [unknown("chain", because: "it is being opened")] }
                // A key that is not there is told before Slurm is. A keystore takes its time: not in each round.
                return (isThorough ? [await keyAlone()] : []) + [unknown("chain", because: "it waits for slurm.conf")]
            }
            return [ok("key", chain.signer.address.checksummed)] + (await findings(chain.client, .opened(chain.signer)))
                + alarms(await chain.manager.status)
        }
        let quiet = Logger(label: "check") { _ in SwiftLogNoOpLogHandler() }
        let transport: HTTPTransport
        do {
            transport = try ChainAccess.transport(settings)
        } catch {
            return [failure("chain", "\(error)")]
        }
        let (finding, key) = await bound(key(transport, quiet))
        var expected = settings.id
        if expected == nil { expected = await boundChain() }
        let client = RPCClient(endpoints: settings.nodes, chainID: expected, transport: transport, logger: quiet)
        let found = await findings(client, key)
        await transport.shutdown()
        return [finding] + found
    }

    private func keyAlone() async -> Finding {
        do {
            let transport = try ChainAccess.transport(configuration.chain)
            let finding = key(transport, Logger(label: "check") { _ in SwiftLogNoOpLogHandler() }).0
            await transport.shutdown()
            return finding
        } catch {
            return failure("key", "\(error)")
        }
    }

    /// The key, or why there is none here.
    private enum Key {
        case opened(any TransactionSigner)
        case missing(String)

        var signer: (any TransactionSigner)? { if case .opened(let signer) = self { signer } else { nil } }
        var why: String { if case .missing(let why) = self { why } else { "" } }
    }

    private func key(_ transport: HTTPTransport, _ logger: Logger) -> (Finding, Key) {
        if let name = configuration.chain.keyCredential, credentials == nil {
            let way =
                geteuid() == 0
                ? ", and this was not tried as the service" : ": run `slurm-grid-agent check` as root"
            let why = "systemd hands the credential \"\(name)\" to the service alone\(way)"
            return (agentSays("key") ?? unknown("key", because: why), .missing(why))
        }
        do {
            let signer = try ChainAccess.signer(configuration.chain, transport, logger)
            return (ok("key", signer.address.checksummed), .opened(signer))
        } catch {
            return (failure("key", "\(error)"), .missing("there is no key"))
        }
    }

    /// The state is of one account, and its transactions are sent by no other.
    private func bound(_ found: (Finding, Key)) async -> (Finding, Key) {
        guard let signer = found.1.signer, access(configuration.stateFolder + "/chain.sqlite", F_OK) == 0,
            let store = try? ChainStore(reading: configuration.stateFolder + "/chain.sqlite")
        else { return found }
        defer { store.close() }
        guard let bound = try? await store.boundAccount(), bound.account != signer.address else { return found }
        return (Self.otherAccount(signer.address, bound.account, open: bound.open, store.path), found.1)
    }

    /// What the agent that runs here found itself: of what only it can try.
    private func agentSays(_ subject: String) -> Finding? {
        guard case .success(let status) = agentStatus,
            let part = status.parts.first(where: { $0.name == subject }),
            let level = Finding.Level(rawValue: part.level.rawValue), level != .unknown,
            // Of the grid that is configured now, not of the one that it was started with.
            status.grid?.contract == configuration.chain.contract?.checksummed
        else { return nil }
        let age = part.at.map { ", \(PageTime.span(max(0, status.now - $0))) ago" } ?? ""
        return Finding(level: level, subject: subject, text: "the running agent\(age): \(part.text)")
    }

    /// For what needs the key.
    private func untried(_ subject: String, because why: String) -> Finding {
        (running == nil ? agentSays(subject) : nil) ?? unknown(subject, because: why)
    }

    private func findings(_ client: RPCClient, _ key: Key) async -> [Finding] {
        var findings = [await node(client)]
        let isThere = findings[0].level == .ok
        let silence = "no node of the chain answers"
        if let signer = key.signer {
            findings.append(
                isThere ? await balance(client, signer.address) : unknown("balance", because: silence))
        } else {
            findings.append(untried("balance", because: key.why))
        }
        guard let contract = configuration.chain.contract else { return findings }
        if isThere {
            findings += await grid(contract, client, key)
        } else {
            findings.append(unknown("contract", because: silence))
            findings.append(untried("provider", because: silence))
            if isThorough { findings.append(untried("key's use", because: silence)) }
        }
        if isThorough || again.contains("sbatch service") { findings.append(await service(key)) }
        return findings
    }

    /// Asks what only a node can answer: that the client knows its chain is no sign of one.
    private func node(_ client: RPCClient) async -> Finding {
        do throws(RPCError) {
            let answer = try await client.call("eth_chainId")
            guard let served = answer.text.flatMap(Quantity.decode64) else {
                throw RPCError(.malformed, "eth_chainId gives no number")
            }
            let known = try await client.chainID()
            return served == known
                ? ok("chain", "id \(served)")
                : failure(
                    "chain",
                    "the node serves chain \(served), not \(known): correct metascheduler.endpoint.rpc, or chain.id")
        } catch {
            return failure("chain", Self.words(error))
        }
    }

    /// With what to do.
    static func words(_ error: RPCError) -> String {
        error.description
            + (error.kind == .wrongChain
                ? " (metascheduler.endpoint.rpc), or chain.id"
                : ": does the node run, and is metascheduler.endpoint.rpc right?")
    }

    /// The chain that the state is of.
    private func boundChain() async -> UInt64? {
        guard let store = try? ChainStore(reading: configuration.stateFolder + "/chain.sqlite") else { return nil }
        defer { store.close() }
        return try? await store.boundChainID()
    }

    private func alarms(_ status: TransactionManager.Status) -> [Finding] {
        status.alarms.sorted { $0.key < $1.key }.map {
            failure("transactions", "\($0.value) (\($0.key)); `slurm-grid-agent chain status` has more")
        }
    }

    private func balance(_ client: RPCClient, _ account: Address) async -> Finding {
        do throws(RPCError) {
            let answer = try await client.call("eth_getBalance", [.string(account.hex), .string("latest")])
            guard let balance = answer.text.flatMap(Quantity.decode) else {
                throw RPCError(.malformed, "eth_getBalance gives no number")
            }
            return balance == 0
                ? failure("balance", "the account has no coins for gas: send it some (\(account.checksummed))")
                : ok("balance", Amount(wei: "\(balance)").map { "\($0.rounded) coins" } ?? "\(balance) wei")
        } catch {
            return unknown("balance", because: error.description)
        }
    }

    private func grid(_ contract: Address, _ client: RPCClient, _ key: Key) async -> [Finding] {
        let probe: GridProbe
        do throws(GridError) {
            // Without a key the contract can be read all the same.
            probe = try await GridProbe(
                contract: contract, known: running?.now.contracts, account: key.signer?.address ?? contract,
                client: client)
        } catch {
            let why = "the contract cannot be read"
            return [failure("contract", error.description), unknown("provider", because: why)]
                + (isThorough ? [unknown("key's use", because: why)] : [])
        }
        var findings = [ok("contract", contract.checksummed)]
        guard key.signer != nil else {
            findings.append(untried("provider", because: key.why))
            findings += await chainClock(probe)
            if isThorough { findings.append(untried("key's use", because: key.why)) }
            return findings
        }
        do throws(GridError) {
            findings.append(Self.provider(try await standing(probe, contract, key.signer?.address)))
        } catch {
            findings.append(failure("provider", error.description))
        }
        findings += await chainClock(probe)
        if isThorough { findings.append(await otherUsers(probe)) }
        return findings
    }

    private func service(_ key: Key) async -> Finding {
        guard let signer = key.signer else { return untried("sbatch service", because: key.why) }
        do throws(GridError) {
            try await GridProbe.tryService(configuration.grid, signer: signer)
            return ok("sbatch service", "\(configuration.grid.sbatch)")
        } catch {
            return failure("sbatch service", error.description)
        }
    }

    /// An idle chain makes no blocks: only a clock that runs ahead of ours can be told.
    private func chainClock(_ probe: GridProbe) async -> [Finding] {
        guard let time = try? await probe.time() else { return [] }
        // A node may say any number.
        let ahead = Int64(clamping: time).saturatingSubtract(Int64(Date().timeIntervalSince1970))
        return ahead > 30
            ? [
                warning(
                    "clock", "the chain's newest block is \(ahead) s ahead of this host: set the clock (chrony)")
            ] : []
    }

    private static let recent: UInt64 = 3600

    private func otherUsers(_ probe: GridProbe) async -> Finding {
        let path = configuration.stateFolder + "/chain.sqlite"
        var opened: ChainStore?
        if running == nil {
            do throws(ChainStoreError) {
                opened = try ChainStore(reading: path)
            } catch {
                // No file is no claims of ours; one that cannot be read is no answer.
                if access(path, F_OK) == 0 || errno != ENOENT { return warning("key's use", error.description) }
            }
        }
        let store = running?.now.chain?.store ?? opened
        defer { opened?.close() }
        let wanted = UInt64(max(0, Date().timeIntervalSince1970)).saturatingSubtract(Self.recent)
        let unknown = NIOLockedValueBox<ChainStoreError?>(nil)
        let found: GridProbe.ForeignClaims
        do throws(GridError) {
            found = try await probe.foreignClaims(since: wanted) { hash in
                guard let store else { return false }
                do throws(ChainStoreError) {
                    return try await store.knows(hash)
                } catch {
                    // Not known to be somebody else's.
                    unknown.withLockedValue { $0 = error }
                    return true
                }
            }
        } catch {
            return self.unknown("key's use", because: "it cannot be looked up: \(error)")
        }
        if let error = unknown.withLockedValue({ $0 }) { return warning("key's use", error.description) }
        let use = KeyUse(
            since: found.since, wanted: wanted, knownSince: try? await store?.accountSince(), claims: found.claims
        ).finding
        return use.isWarning ? warning("key's use", use.text) : ok("key's use", use.text)
    }
}
