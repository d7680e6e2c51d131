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
    /// Wei of credits.
    var credits: BigUInt?
    var wasRead = false

    var words: String {
        if !wasRead { return "not known yet: no node has answered" }
        if isBanned { return "banned" }
        if isApproved { return isWaiting ? "approved; a new registration waits for approval" : "approved" }
        return isWaiting ? "waits for approval" : "not registered"
    }
}

extension DeepSquareGateway {
    func providerLoop() async {
        var isFirst = true
        while !Task.isCancelled {
            await refreshProvider()
            // Until it is known what the cluster is, and whether the chain knows that.
            if isFirst, provider.wasRead { isFirst = await !registerAtStart() }
            // The chain's events tell of what changes; a job under way is worth another look.
            let isQuiet = claims.isEmpty && provider.isApproved
            let pause: Duration = isFirst ? .seconds(provider.wasRead ? 5 : 1) : .seconds(isQuiet ? 60 : 30)
            try? await Task.sleep(for: pause)
        }
    }

    func refreshProvider() async {
        let own: [ABIValue] = [.address(address)]
        do throws(GridError) {
            let answers = try await reader.ask([
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
            provider.isWaiting = (try? answers[1].get())?.first?.bool ?? false
            provider.isBanned = (try? answers[2].get())?.first?.bool ?? false
            provider.isOpen = (try? answers[3].get())?.first?.bool ?? true
            // More than any job's minutes is as good as no limit.
            provider.delta = (try? answers[4].get())?.first?.uint.map { UInt64(min($0, 1_000_000)) } ?? provider.delta
            provider.credits = (try? answers[5].get())?.first?.uint ?? provider.credits
            provider.wasRead = true
            if before.delta != provider.delta { try await store.set("delta", provider.delta.map(String.init)) }
            if before.words != provider.words || before.isOpen != provider.isOpen { told(before) }
        } catch {
            note(error)
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
