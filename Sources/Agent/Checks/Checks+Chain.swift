// SPDX-License-Identifier: GPL-3.0-or-later

internal import DeepSquare
internal import Ethereum
internal import FoundationEssentials
internal import Glibc
internal import Logging
internal import NIOConcurrencyHelpers
internal import Support

/// The key, the nodes, the contract and the grid's services.
extension Checks {
    func chain() async -> [Finding] {
        let settings = configuration.chain
        guard !settings.nodes.isEmpty else { return [ok("chain", "off: metascheduler.endpoint.rpc is not set")] }
        if let running {
            let now = running.now
            guard let chain = now.chain else {
                return [failure("chain", now.chainTrouble?.description ?? "is not open yet")]
            }
            return await findings(chain.client, chain.signer) + alarms(await chain.manager.status)
        }
        let quiet = Logger(label: "check") { _ in SwiftLogNoOpLogHandler() }
        do {
            let access = try await ChainAccess.open(settings, logger: quiet)
            let client = RPCClient(
                endpoints: settings.nodes, chainID: settings.id, transport: access.transport, logger: quiet)
            let found = await findings(client, access.signer)
            await access.close()
            return found
        } catch {
            return [failure("key", "\(error)")]
        }
    }

    private func findings(_ client: RPCClient, _ signer: any TransactionSigner) async -> [Finding] {
        var findings = [ok("key", signer.address.checksummed)]
        findings += await account(client, signer)
        if let contract = configuration.chain.contract {
            findings += await grid(contract, client, signer)
        }
        return findings
    }

    private func alarms(_ status: TransactionManager.Status) -> [Finding] {
        status.alarms.sorted { $0.key < $1.key }.map {
            failure("transactions", "\($0.value) (\($0.key)); `slurm-grid-agent chain status` has more")
        }
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
                    : ok("balance", Amount(wei: "\(balance)").map { "\($0.rounded) coins" } ?? "\(balance) wei"),
            ]
        } catch {
            return [failure("chain", error.description)]
        }
    }

    private func grid(_ contract: Address, _ client: RPCClient, _ signer: any TransactionSigner) async -> [Finding] {
        var findings: [Finding] = []
        var probe: GridProbe?
        do throws(GridError) {
            let opened = try await GridProbe(
                contract: contract, known: running?.now.contracts, account: signer.address, client: client)
            probe = opened
            findings.append(ok("contract", contract.checksummed))
            let approval = try await approval(opened)
            findings.append(
                approval.isApproved
                    ? ok("provider", approval.words)
                    : warning(
                        "provider", "\(approval.words): nothing is claimed or reported until the grid approves it"))
            findings += await chainClock(opened)
        } catch {
            findings.append(failure("contract", error.description))
        }
        guard isThorough else { return findings }
        if let probe { findings.append(await otherUsers(probe)) }
        do throws(GridError) {
            try await GridProbe.tryService(configuration.grid, signer: signer)
            findings.append(ok("sbatch service", "\(configuration.grid.sbatch)"))
        } catch {
            findings.append(failure("sbatch service", error.description))
        }
        return findings
    }

    /// An agent that runs knows.
    private func approval(_ probe: GridProbe) async throws(GridError) -> (words: String, isApproved: Bool) {
        guard let gateway = running?.now.grid else { return try await probe.approval() }
        let status = await gateway.status
        return (status.state, status.isApproved)
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
            return warning("key's use", "cannot be looked up: \(error)")
        }
        if let error = unknown.withLockedValue({ $0 }) { return warning("key's use", error.description) }
        let use = KeyUse(
            since: found.since, wanted: wanted, knownSince: try? await store?.accountSince(), claims: found.claims
        ).finding
        return use.isWarning ? warning("key's use", use.text) : ok("key's use", use.text)
    }
}
