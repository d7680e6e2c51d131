// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import Support

/// The three queues that the contract keeps for a provider.
enum ClaimKind: String, Sendable, Hashable, CaseIterable {
    case job
    case cancel
    case topUp = "top-up"

    var keyPrefix: String { "deepsquare claim \(rawValue) " }

    var size: ABIFunction {
        switch self {
        case .job: ContractABI.claimableJobs
        case .cancel: ContractABI.cancellingJobs
        case .topUp: ContractABI.topUpJobs
        }
    }

    var claim: ABIFunction {
        switch self {
        case .job: ContractABI.claimNextJob
        case .cancel: ContractABI.claimNextCancellingJob
        case .topUp: ContractABI.claimNextTopUpJob
        }
    }
}

/// How much is claimed from one queue. No I/O.
///
/// Never more than the queue holds, and never more than its share of the transactions in flight. A claim that reverts costs
/// gas and may do so for ever (a stale head): after one the queue rests, longer each time, and is then tried with a single
/// claim that an `eth_call` has found to work.
struct ClaimQueue: Sendable, Hashable {
    /// Keys of claims whose outcome is not known.
    var inFlight: Set<String> = []
    private(set) var failures = 0
    /// Unix seconds.
    private(set) var restsUntil: Int64 = 0
    /// Outcomes so far: a size that was asked for before the last one may count what has been claimed.
    private(set) var outcomes = 0
    /// What the last rehearsal or claim said.
    private(set) var trouble: String?

    init(inFlight: Set<String> = []) {
        self.inFlight = inFlight
    }

    /// Of a queue that the node refuses to count: an `eth_call` has a limit of gas (geth: 50 million), and the contract looks
    /// at each entry, so it is long. If it is refused for something else, the first claim's rehearsal fails.
    static let uncounted: UInt64 = 8

    /// What a queue holds, by the node's answer; nil: it says nothing.
    static func size(_ answer: Result<[ABIValue], GridError>) -> UInt64? {
        switch answer {
        case .success(let values): values.first?.uint64
        case .failure(let error): [.reverted, .unavailable].contains(error.code) ? uncounted : nil
        }
    }

    /// How many to claim.
    /// - Parameters:
    ///   - size: what the queue holds.
    ///   - asOf: `outcomes` when that was asked.
    ///   - share: of the transactions in flight.
    func wanted(size: UInt64, asOf: Int, share: Int, now: Int64) -> Int {
        guard asOf == outcomes, !isResting(at: now) else { return 0 }
        let free = min(Int(clamping: size), max(1, share)) - inFlight.count
        if failures > 0 { return inFlight.isEmpty ? min(1, free) : 0 }
        return max(0, free)
    }

    /// Whether the next claim is to be rehearsed: it may be the first one of a stale head.
    var isRehearsed: Bool { inFlight.isEmpty }

    mutating func rehearsalFailed(_ why: String, now: Int64) {
        trouble = why
        rest(now)
    }

    mutating func over(_ key: String, succeeded: Bool, now: Int64) {
        inFlight.remove(key)
        outcomes += 1
        if succeeded {
            failures = 0
            trouble = nil
        } else {
            trouble = "a claim reverted"
            rest(now)
        }
    }

    /// The queue holds nothing: what it said last is about nothing that is there.
    mutating func foundEmpty() {
        trouble = nil
    }

    private static let retry = RetryPolicy(first: .seconds(2), ceiling: .seconds(60))

    /// A clock that was set back since makes no rest longer than any is.
    private func isResting(at now: Int64) -> Bool {
        restsUntil > now && restsUntil.saturatingSubtract(now) <= 3600
    }

    private mutating func rest(_ now: Int64) {
        restsUntil = now + Int64(Self.retry.seconds(attempt: failures))
        failures += 1
    }
}
