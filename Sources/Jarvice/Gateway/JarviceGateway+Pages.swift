// SPDX-License-Identifier: GPL-3.0-or-later

internal import JobLifecycle
internal import NIOConcurrencyHelpers

extension JarviceGateway: JobPages {
    func place(of jobID: UInt32, secret: String) async throws(JarviceError) -> PagePlace? {
        let order = try await ledgerAnswer { [ledger] in
            try await ledger.newestOrder(Self.gatewayName, jobID: jobID)
        }
        guard let order, let own = try self.secret(of: order), own.equals(secret),
            let node = try await firstNode(of: jobID, order)
        else { return nil }
        let addresses = try await nodes.addresses(within: settings.slurmTimeout)
        guard let address = addresses[node] else {
            throw JarviceError(.unavailable, "Slurm has no address of node \(node)")
        }
        return PagePlace(address: address, port: settings.servicePort)
    }

    /// Where the user of an interactive job opens its page; nil: not now, or never.
    func url(_ job: NamedJob) async throws(JarviceError) -> String? {
        guard let domain = settings.jobsDomain, let (id, order) = try await own(job),
            let secret = try self.secret(of: order), try await firstNode(of: id, order) != nil
        else { return nil }
        return domain.url(jobID: id, secret: secret.text)
    }

    /// nil: the job is not interactive.
    private func secret(of order: OrderRecord) throws(JarviceError) -> JobSecret? {
        JobSecret(script: try cluster.script(ofRequest: order.order.request))
    }

    /// By Slurm's record of the job, while it runs; the ledger hears of its end sooner than the list has it.
    private func firstNode(of jobID: UInt32, _ order: OrderRecord) async throws(JarviceError) -> String? {
        guard let (userID, _) = Self.owner(order.order.externalID), try await end(of: order) == nil,
            let listed = try await index.current().jobs[jobID], !listed.isArray, listed.userID == userID,
            listed.state == .running, listed.flags.isEmpty
        else { return nil }
        return listed.nodes.first
    }
}

/// Addresses of nodes, asked for twice a minute at most.
actor NodeAddresses {
    private let cluster: any JarviceCluster
    private var known: (addresses: [String: String], askedAt: ContinuousClock.Instant)?

    private static let lifetime = Duration.seconds(30)

    init(_ cluster: any JarviceCluster) {
        self.cluster = cluster
    }

    func addresses(within limit: Duration) async throws(JarviceError) -> [String: String] {
        let now = ContinuousClock.now
        if let known, known.askedAt + Self.lifetime > now { return known.addresses }
        let cluster = cluster
        let found = try await Deadline.within(limit, "slurmctld") { () -> Result<[String: String], JarviceError> in
            do throws(JarviceError) {
                return .success(try await cluster.nodeAddresses())
            } catch {
                return .failure(error)
            }
        }
        known = (found, now)
        return found
    }
}
