// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import FoundationEssentials
internal import Logging
internal import Support

/// A registration with other prices, from the wish until the chain has decided on it.
///
/// The contract reads the prices when a job is claimed and again when it ends (contract facts, section 8): a job claimed before
/// the approval and ended after it would be billed otherwise than it was paid for. So nothing is claimed in all that time.
enum PriceChange: Sendable, Hashable {
    /// It is sent when no job is under way.
    case draining
    /// The intent's key.
    case sent(String)
    /// Mined in that block, and not approved yet.
    case registered(block: UInt64)

    /// In the gateway's file. A block is not kept: the intent's outcome tells it again.
    var stored: String? {
        switch self {
        case .draining: "yes"
        case .sent(let key): key
        case .registered: nil
        }
    }
}

extension DeepSquareGateway {
    static let registrationPrefix = "deepsquare register "
    private static let stored = "registering"

    /// Nothing is claimed because of our own prices.
    var isRegistering: Bool { priceChange != nil || provider.hasOtherPricesWaiting }

    /// For people; nil: no registration is on its way.
    var registrationWords: String? {
        switch priceChange {
        case .draining:
            let open = underWay
            return open == 0
                ? "a registration with other prices is about to be sent"
                : "a registration with other prices waits for the end of \(open) jobs"
        case .sent: return "a registration with other prices is on its way to the chain"
        case .registered: return "a registration with other prices waits for the grid's approval"
        case nil:
            return provider.hasOtherPricesWaiting
                ? "a registration with other prices waits for the grid's approval" : nil
        }
    }

    func loadPriceChange() async throws(GridError) {
        guard let word = try await store.value(Self.stored) else { return }
        priceChange = word == "yes" ? .draining : .sent(word)
        followPrices()
    }

    /// Jobs and claims that may become some.
    private var underWay: Int { claims.count + queues.values.reduce(0) { $0 + $1.inFlight.count } }

    /// From now on nothing is claimed.
    func changePrices() async throws(GridError) -> RegisterAnswer {
        switch priceChange {
        case .draining: return .draining(jobs: underWay)
        case .sent(let key): return .sent(transaction: key)
        case .registered, nil: break
        }
        let before = priceChange
        priceChange = .draining
        do throws(GridError) {
            try await store.set(Self.stored, PriceChange.draining.stored)
        } catch {
            priceChange = before
            throw error
        }
        defer { followPrices() }
        do throws(GridError) {
            guard try await isIdle() else { return .draining(jobs: underWay) }
            guard let key = try await sendPrices() else { return .unchanged }
            return .sent(transaction: key)
        } catch {
            // Tried again.
            note(error)
            return .draining(jobs: 0)
        }
    }

    /// No job is under way, as far as the chain has said: also none whose claim has just been mined.
    private func isIdle() async throws(GridError) -> Bool {
        guard isCaughtUp, underWay == 0 else { return false }
        do {
            guard try await feed.next(limit: 1).isEmpty else { return false }
        } catch {
            throw GridError(.storage, "\(error)")
        }
        return underWay == 0
    }

    private func sendPrices() async throws(GridError) -> String? {
        let (approved, waiting) = try await entries()
        let ours = try await registration()
        if let newest = waiting ?? approved, ours.differences(from: newest).isEmpty {
            // Sent before; or the configuration is what it was.
            try await endPriceChange()
            return nil
        }
        // Sent meanwhile.
        guard priceChange == .draining else { return nil }
        let key = Self.registrationPrefix + UUID().uuidString
        priceChange = .sent(key)
        do throws(GridError) {
            try await store.set(Self.stored, PriceChange.sent(key).stored)
        } catch {
            priceChange = .draining
            throw error
        }
        try await send(ours.keeping(labelsOf: waiting ?? approved), key: key)
        return key
    }

    private func endPriceChange() async throws(GridError) {
        try await store.set(Self.stored, nil)
        priceChange = nil
        claimWake.raise()
    }

    private func followPrices() {
        guard !isFollowingPrices, priceChange != nil else { return }
        isFollowingPrices = true
        spawn {
            while !Task.isCancelled, await self.priceChange != nil {
                await self.followPricesOnce()
                // The chain's events tell of an approval.
                let isDecided = await self.isRegistered
                try? await Task.sleep(for: .seconds(isDecided ? 30 : 2))
            }
            await self.stoppedFollowing()
        }
    }

    private var isRegistered: Bool {
        if case .registered = priceChange { true } else { false }
    }

    private func stoppedFollowing() {
        isFollowingPrices = false
        // Changed again in the meantime.
        if !Task.isCancelled { followPrices() }
    }

    func followPricesOnce() async {
        do throws(GridError) {
            switch priceChange {
            case .draining: if try await isIdle() { _ = try await sendPrices() }
            case .sent(let key):
                let outcome = await outcome(of: key)
                if !Task.isCancelled { try await registrationOver(key, outcome) }
            case .registered: await refreshProvider()
            case nil: break
            }
        } catch {
            note(error)
        }
    }

    /// - Parameter outcome: nil: there is no such transaction, it never left.
    func registrationOver(_ key: String, _ outcome: TransactionOutcome?) async throws(GridError) {
        guard priceChange == .sent(key) else { return }
        switch outcome {
        case nil:
            try await store.set(Self.stored, PriceChange.draining.stored)
            priceChange = .draining
        case .succeeded(let receipt):
            priceChange = .registered(block: receipt.block.number)
            await refreshProvider()
        case .reverted, .cancelled:
            let words =
                "the contract did not take the registration with other prices: the chain keeps the old ones, and jobs are claimed at them"
            logger.error("\(words)", metadata: ["transaction_key": "\(key)"])
            note(GridError(.reverted, words))
            try await endPriceChange()
        }
    }

    /// - Parameters:
    ///   - isWaiting: whether the chain has a registration of ours that waits.
    ///   - block: of the node that says so.
    func heardOfRegistration(isWaiting: Bool, block: UInt64) async throws(GridError) {
        guard case .registered(let since) = priceChange, block >= since, !isWaiting else { return }
        logger.notice("the registration with other prices was decided on: jobs are claimed again")
        try await endPriceChange()
    }
}
