// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import FoundationEssentials
internal import Logging
internal import NIOConcurrencyHelpers
internal import ServiceLifecycle
internal import Support

/// The agent's side of the chain: nodes, key, ledger and the manager that sends.
struct ChainParts: Sendable {
    let manager: TransactionManager
    let store: ChainStore
    let client: RPCClient
    let signer: any TransactionSigner
    let chainID: UInt64
    /// Who else has to know of receipts and blocks; nil: nobody.
    private let follower: NIOLockedValueBox<Follower?>

    /// Takes part in what the chain brings.
    struct Follower: Sendable {
        var feed: LogFeed
        /// One of its contracts may have been touched.
        var contractTouched: @Sendable () -> Void
    }

    /// Between two looks at the account while nothing is under way: a socket's wake-ups do not shorten it.
    private static let idlePace: Duration = .seconds(30)

    /// Asks a node for its chain's id when that is neither configured nor known.
    ///
    /// Throws a `Daemon.StartFailure` for what is in this host's own file, and `Patience.Trouble` for what may change: a disk that is
    /// full, a node that is away or serves another chain.
    static func open(
        _ settings: ChainSettings, access: ChainAccess, folder: String, clock: TrustedClock, logger: Logger
    ) async throws -> ChainParts {
        do {
            let store = try ChainStore(path: folder + "/chain.sqlite")
            // Only the very first start needs a node: after that the agent does its work with Slurm while all are away.
            let bound = try await store.boundChainID()
            let client = RPCClient(
                endpoints: settings.nodes, chainID: settings.id ?? bound, transport: access.transport, logger: logger)
            var sending = TransactionSettings()
            sending.confirmations = settings.confirmations
            sending.inFlightLimit = settings.inFlight
            sending.feeCeiling = settings.feeCeiling
            let chainID = try await client.chainID()
            let follower = NIOLockedValueBox<Follower?>(nil)
            var pace = TransactionManager.Pace()
            pace.idle = idlePace
            let manager = TransactionManager(
                client: client, chainID: chainID, signer: access.signer, store: store, settings: sending,
                classes: classes, pace: pace, logger: logger, today: { min(SteadyClock.now(), clock.now()) },
                onReceipt: { await follower.withLockedValue { $0 }?.feed.offer($0) })
            try await manager.start()
            logger.notice("on the chain", metadata: ["chain": "\(chainID)", "account": "\(access.signer.address)"])
            return ChainParts(
                manager: manager, store: store, client: client, signer: access.signer, chainID: chainID,
                follower: follower)
        } catch let error as ChainStoreError {
            throw error.whenOpening
        } catch let error as RPCError {
            throw Patience.Trouble(description: Checks.words(error))
        }
    }

    /// Statuses are what a provider is paid for; whatever else there is waits for them. The contract was seen to use 330,000 gas
    /// for one at most; three times as much is set until it is learned.
    static let classes = [
        TransactionClass("status", priority: 0, isEssential: true, firstGas: 1_000_000, purpose: "the reports"),
        TransactionClass("claim", priority: 1, isEssential: false, purpose: "the claims"),
        TransactionClass("other", priority: 2, isEssential: false, purpose: "the registrations"),
    ]

    /// Before the services run.
    func follow(with follower: Follower) {
        follower.feed.watch(follower.contractTouched)
        self.follower.withLockedValue { $0 = follower }
    }

    func services(_ settings: ChainSettings, logger: Logger) -> [any Service] {
        let (manager, follower) = (manager, follower)
        let socket = settings.webSocket.map {
            WakeUpSocket(
                endpoint: $0, certificateAuthority: settings.certificateAuthority, logger: logger,
                onState: { isUp in follower.withLockedValue { $0 }?.feed.socketChanged(isUp: isUp) },
                onWake: {
                    manager.headChanged()
                    follower.withLockedValue { $0 }?.feed.headAnnounced()
                })
        }
        let feed = follower.withLockedValue { $0 }?.feed
        return [manager, RPCClient.HeadComparison(client: client)] + [feed as (any Service)?, socket].compactMap { $0 }
    }

    /// What `chain status` shows.
    struct Status: Codable, Sendable {
        struct Feed: Codable, Sendable {
            /// The last block whose logs were taken, and how many the chain is ahead.
            var block: UInt64?
            var lag: UInt64?
        }

        var account: TransactionManager.Status
        var feed: Feed?
    }

    /// What `chain fill` answers.
    struct Filled: Codable, Sendable {
        var nonces: [UInt64]
    }

    var status: Status {
        get async {
            var reading: Status.Feed?
            if let feed = follower.withLockedValue({ $0 })?.feed {
                reading = Status.Feed(block: await feed.position?.number, lag: await feed.lag)
            }
            return Status(account: await manager.status, feed: reading)
        }
    }

    func close() {
        store.close()
    }
}
