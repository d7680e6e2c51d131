// SPDX-License-Identifier: GPL-3.0-or-later

internal import BigInt
internal import Ethereum
internal import FoundationEssentials
internal import Logging
internal import Support

/// What the chain says of us.
struct ProviderView: Sendable, Hashable {
    /// isValidForScheduling; false until it was asked: every call of a provider that is not valid reverts.
    var isApproved = false
    var isWaiting = false
    var isBanned = false
    /// The contract takes new jobs. What is in the queues goes on without that.
    var isOpen = true
    /// billDurationDeltaMinute.
    var delta: UInt64?
    /// Wei of credits, and when they were read: Unix seconds, and the node's newest block then.
    var credits: BigUInt?
    var creditsAt: Int64?
    var creditsBlock: UInt64?
    /// A registration that waits for approval has other prices than the approved one, whoever sent it.
    var hasOtherPricesWaiting = false
    var wasRead = false

    var words: String {
        if !wasRead { return "not known yet: no node has answered" }
        if isBanned { return "banned" }
        if isApproved { return isWaiting ? "approved; a new registration waits for approval" : "approved" }
        return isWaiting ? "registered, waits for approval" : "not registered"
    }
}

extension DeepSquareGateway {
    func providerLoop() async {
        var isFirst = true
        while !Task.isCancelled {
            await refreshProvider()
            // Until it is known what the cluster is, and whether the chain knows that.
            if isFirst, provider.wasRead {
                isFirst = await !registerAtStart()
                hasTriedToRegister = !isFirst
            }
            // The chain's events tell of what changes; a job under way is worth another look.
            let isQuiet = claims.isEmpty && provider.isApproved
            let pause: Duration = isFirst ? .seconds(provider.wasRead ? 5 : 1) : .seconds(isQuiet ? 60 : 30)
            try? await Task.sleep(for: pause)
        }
    }

    func refreshProvider() async {
        let own: [ABIValue] = [.address(address)]
        // Before the chain is asked: what is mined meanwhile is on its way or there, not gone.
        isRegistrationSent = await isRegistrationOpen
        do throws(GridError) {
            let (answers, block) = try await reader.askWithBlock([
                .init(ContractABI.isValidForScheduling, own, at: contracts.providers),
                .init(ContractABI.isWaitingForApproval, own, at: contracts.providers),
                .init(ContractABI.isBanned, own, at: contracts.providers),
                .init(ContractABI.enableRequestNewJob, [], at: contracts.metaScheduler),
                .init(ContractABI.billDurationDelta, [], at: contracts.constants),
                .init(ContractABI.balanceOf, own, at: contracts.credit),
            ])
            let before = provider
            guard let isApproved = try answers[0].get().first?.bool else { return }
            provider.isApproved = isApproved
            // A contract may answer these with an error for who is not registered.
            provider.isWaiting = Self.isSaid(answers[1], before: before.isWaiting)
            provider.isBanned = (try? answers[2].get())?.first?.bool ?? false
            provider.isOpen = (try? answers[3].get())?.first?.bool ?? true
            // More than any job's minutes is as good as no limit.
            provider.delta = (try? answers[4].get())?.first?.uint.map { UInt64(min($0, 1_000_000)) } ?? provider.delta
            take(credits: (try? answers[5].get())?.first?.uint, block: block)
            provider.wasRead = true
            await comparePrices(before)
            // No answer is not "none waits".
            if case .success(let word) = answers[1] {
                try await heardOfRegistration(isWaiting: word.first?.bool == true, block: block)
            }
            if before.delta != provider.delta { try await store.set("delta", provider.delta.map(String.init)) }
            if before.words != provider.words || before.isOpen != provider.isOpen { told(before) }
            if before.hasOtherPricesWaiting, !provider.hasOtherPricesWaiting { claimWake.raise() }
        } catch {
            note(error)
        }
    }

    /// No answer leaves what was said before; a revert is "none".
    private static func isSaid(_ answer: Result<[ABIValue], GridError>, before: Bool) -> Bool {
        switch answer {
        case .success(let values): values.first?.bool ?? false
        case .failure(let error): error.code == .unavailable && before
        }
    }

    /// - Parameter block: the newest one of the node that says so; one that lags behind what is known is not believed.
    func take(credits: BigUInt?, block: UInt64) {
        guard let credits, block >= provider.creditsBlock ?? 0 else { return }
        provider.credits = credits
        provider.creditsBlock = block
        provider.creditsAt = seconds
    }

    /// What was just paid is in the credits at once.
    func refreshCredits() async {
        guard !isReadingCredits else { return }
        isReadingCredits = true
        defer { isReadingCredits = false }
        let question = ContractReader.Question(ContractABI.balanceOf, [.address(address)], at: contracts.credit)
        guard let (answers, block) = try? await reader.askWithBlock([question]) else { return }
        take(credits: (try? answers[0].get())?.first?.uint, block: block)
    }

    /// Of a registration that waits: what cannot be read may have other prices.
    private func comparePrices(_ before: ProviderView) async {
        guard provider.isApproved, provider.isWaiting else { return provider.hasOtherPricesWaiting = false }
        // Until they are known.
        if !before.isWaiting { provider.hasOtherPricesWaiting = true }
        do throws(GridError) {
            let (approved, waiting) = try await entries()
            provider.hasOtherPricesWaiting = waiting.map { $0.prices != approved?.prices } ?? false
        } catch {
            note(error)
            provider.hasOtherPricesWaiting = true
        }
    }

    private func told(_ before: ProviderView) {
        logger.notice(
            "the chain says of this provider",
            metadata: [
                "state": "\(provider.words)",
                "contract": "\(provider.isOpen ? "takes new jobs" : "closed to new jobs")",
            ])
        guard before.isApproved != provider.isApproved else { return }
        if !provider.isApproved, !claims.isEmpty {
            logger.error(
                "reports wait until the chain approves this provider again", metadata: ["count": "\(claims.count)"])
        }
        for key in Array(claims.keys) { advance(key) }
        claimWake.raise()
    }
}
