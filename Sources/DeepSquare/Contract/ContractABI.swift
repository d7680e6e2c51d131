// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum

/// The functions, events and errors of the grid's contracts that a provider has to do with.
enum ContractABI {
    static let definition =
        "(uint64,uint64,uint64,uint64,string,uint8,(string,string)[],((string,string),bytes2)[])"
    private static let cost = "(uint256,uint256,uint256,bool)"
    private static let time = "(uint256,uint256,uint256,uint256,uint256,uint256)"
    private static let job =
        "(bytes32,uint8,address,address,\(definition),\(cost),\(time),bytes32,bool,string,int64)"
    private static let hardware = "(uint64,uint64[],uint64[],uint64[])"
    private static let prices = "(uint256,uint256,uint256)"
    private static let labels = "(string,string)[]"
    private static let provider = "(address,\(hardware),\(prices),\(labels),bool)"

    // MARK: MetaScheduler

    static let jobs = function("jobs()", "(address)")
    static let providerManager = function("providerManager()", "(address)")
    static let providerJobQueues = function("providerJobQueues()", "(address)")
    static let credit = function("credit()", "(address)")
    static let constants = function("constants()", "(address)")
    static let enableRequestNewJob = function("enableRequestNewJob()", "(bool)")
    static let claimNextJob = function("claimNextJob()")
    static let claimNextCancellingJob = function("claimNextCancellingJob()")
    static let claimNextTopUpJob = function("claimNextTopUpJob()")
    static let refuseJob = function("refuseJob(bytes32)")
    static let providerSetJobStatus = function("providerSetJobStatus(bytes32,uint8,uint64,string,int64)")

    // MARK: the others

    static let getJob = function("get(bytes32)", "(\(job))")
    static let claimableJobs = function("getClaimableJobQueueSize(address)", "(uint256)")
    static let cancellingJobs = function("getCancellingJobQueueSize(address)", "(uint256)")
    static let topUpJobs = function("getTopUpJobQueueSize(address)", "(uint256)")
    static let isValidForScheduling = function("isValidForScheduling(address)", "(bool)")
    static let isWaitingForApproval = function("isWaitingForApproval(address)", "(bool)")
    static let isBanned = function("isBanned(address)", "(bool)")
    static let getProvider = function("getProvider(address)", "(\(provider))")
    static let getWaitingProvider = function("getWaitingForApprovalProvider(address)", "(\(provider))")
    static let getJobCount = function("getJobCount(address)", "(uint64)")
    static let register = function("register(\(hardware),\(prices),\(labels))")
    static let billDurationDelta = function("billDurationDeltaMinute()", "(uint256)")
    static let balanceOf = function("balanceOf(address)", "(uint256)")

    // MARK: events. No argument of them is indexed: those of all providers arrive.

    static let claimJobEvent = event("ClaimJobEvent(address,address,bytes32,uint64,\(definition))")
    static let claimCancellingEvent = event("ClaimNextCancellingJobEvent(address,address,bytes32)")
    static let claimTopUpEvent = event("ClaimNextTopUpJobEvent(bytes32,address,uint64)")
    static let billedTooMuchEvent = event("BilledTooMuchEvent(bytes32,address,uint256)")
    static let jobTransitionEvent = event("JobTransitionEvent(bytes32,uint8,uint8)")
    static let providerApproved = event("ProviderApproved(address)")
    static let providerBanChanged = event("ProviderBanChanged(address,bool)")
    static let providerRemoved = event("ProviderRemoved(address)")
    static let providerWaiting = event("ProviderWaitingForApproval(address)")
    /// Of the credits; read from receipts of ours only, so it is none of the feed's.
    static let transfer = event("Transfer(address indexed,address indexed,uint256)")

    static let events = [
        claimJobEvent, claimCancellingEvent, claimTopUpEvent, billedTooMuchEvent, jobTransitionEvent, providerApproved,
        providerBanChanged, providerRemoved, providerWaiting,
    ]

    // MARK: errors

    static let errors = [
        "AlreadyDone()", "ArrayLengthMismatch()", "Banned()", "CustomerMetaSchedulerProviderOnly()",
        "CustomerOnly(address,address)", "Empty()", "InsufficientFunds(uint256,uint256)", "InvalidJob()",
        "InvalidJobDefinition()", "InvalidNodesCount()", "InvalidTotalCpus()", "InvalidTotalMem()",
        "InvalidTransition(uint8,uint8)", "JobHotStatusOnly(uint8)", "JobProviderOnly(address,address)",
        "MetaScheduledScheduledStatusOnly(uint8)", "NewJobRequestDisabled()", "NoJob()", "NoProvider()",
        "NoSpendingAuthority()", "OutOfBounds()", "ProviderNotJoined()", "RemainingTimeAboveLimit(uint256,uint256)",
        "RunningColdStatusOnly(uint8)", "RunningScheduledStatusOnly(uint8)", "SameStatusError()",
        "WaitingApprovalOnly()",
    ].map { signature in known { () throws(ABIError) in try ABIErrorType(signature) } }

    /// For people: `InvalidTransition(2, 5)`, `ProviderNotJoined()`, `Panic(0x11)`.
    static func describe(revert data: [UInt8]) -> String {
        ABIErrorType.describe(data, known: errors)
    }

    /// What a node said of a call, with the contract's own reason where it gave one.
    static func describe(_ error: RPCError) -> String {
        error.refusal == .reverted ? describe(revert: error.revertData ?? []) : error.description
    }

    private static func function(_ signature: String, _ returns: String = "()") -> ABIFunction {
        known { () throws(ABIError) in try ABIFunction(signature, returns: returns) }
    }

    private static func event(_ signature: String) -> ABIEvent {
        known { () throws(ABIError) in try ABIEvent(signature) }
    }

    /// The signatures stand in this file: one that cannot be read is a mistake of ours, found by the first test.
    private static func known<Part>(_ read: () throws(ABIError) -> Part) -> Part {
        do throws(ABIError) {
            return try read()
        } catch {
            preconditionFailure("\(error)")
        }
    }
}
