// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum

/// What a log of the grid's contracts says.
enum GridEvent: Hashable, Sendable {
    case claimed(job: Hash32, customer: Address, provider: Address, minutes: UInt64, JobDefinition)
    case cancelClaimed(job: Hash32, provider: Address)
    case topUpClaimed(job: Hash32, provider: Address, minutes: UInt64)
    case billedTooMuch(job: Hash32, provider: Address)
    case transition(job: Hash32, from: ChainJobStatus, to: ChainJobStatus)
    /// Approved, banned, removed, waiting: what is asked of the contract tells which.
    case providerChanged(Address)

    /// nil: of no event that matters here. Throws for a log that has an event's topic and not its shape.
    static func read(_ log: ChainLog, of contracts: GridContracts) throws -> GridEvent? {
        func values(_ event: ABIEvent) throws -> [ABIValue]? {
            try event.decode(topics: log.topics, data: log.data)
        }
        switch log.address {
        case contracts.metaScheduler:
            if let claim = try values(ContractABI.claimJobEvent), let customer = claim[0].address,
                let provider = claim[1].address, let job = claim[2].hash, let minutes = claim[3].uint64
            {
                return .claimed(
                    job: job, customer: customer, provider: provider, minutes: minutes, try JobDefinition(claim[4]))
            }
            if let cancel = try values(ContractABI.claimCancellingEvent), let provider = cancel[1].address,
                let job = cancel[2].hash
            {
                return .cancelClaimed(job: job, provider: provider)
            }
            if let topUp = try values(ContractABI.claimTopUpEvent), let job = topUp[0].hash,
                let provider = topUp[1].address, let minutes = topUp[2].uint64
            {
                return .topUpClaimed(job: job, provider: provider, minutes: minutes)
            }
            if let billed = try values(ContractABI.billedTooMuchEvent), let job = billed[0].hash,
                let provider = billed[1].address
            {
                return .billedTooMuch(job: job, provider: provider)
            }
        case contracts.jobs:
            if let moved = try values(ContractABI.jobTransitionEvent), let job = moved[0].hash,
                let from = moved[1].uint64.flatMap({ UInt8(exactly: $0) }).flatMap(ChainJobStatus.init),
                let to = moved[2].uint64.flatMap({ UInt8(exactly: $0) }).flatMap(ChainJobStatus.init)
            {
                return .transition(job: job, from: from, to: to)
            }
        case contracts.providers:
            for event in [
                ContractABI.providerApproved, ContractABI.providerBanChanged, ContractABI.providerRemoved,
                ContractABI.providerWaiting,
            ] {
                if let provider = try values(event)?.first?.address { return .providerChanged(provider) }
            }
        default:
            break
        }
        return nil
    }
}
