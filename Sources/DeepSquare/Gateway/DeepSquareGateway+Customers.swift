// SPDX-License-Identifier: GPL-3.0-or-later

internal import Support

/// Between customers: how many jobs one may have, and whose claim comes next.
///
/// The contract hands out the oldest entry of our queue and lets nobody choose (contract facts, section 7). What can be done is
/// to give back what is too much, so that those behind it come, and to take turns in what has been claimed.
extension DeepSquareGateway {
    /// Seconds that a job may wait for a place at most.
    private static let longestCrowding = Duration.seconds(86_400)

    /// Customers with one login name are one.
    func login(of key: Key) -> String? { claims[key].map { policy.login(of: $0.customer) } }

    /// Whether a claim may become a job as far as its customer's others are concerned. Once told so, it is so.
    func hasPlace(_ key: Key) -> Bool {
        guard let limit = settings.maximumJobsPerCustomer, let claim = claims[key], !admitted.contains(key) else {
            return true
        }
        let login = policy.login(of: claim.customer)
        var others = 0
        for (other, its) in claims where other != key && policy.login(of: its.customer) == login {
            guard its.needsCluster else { continue }
            let hasPlace = its.verdict == .accepted || its.needsExamination || admitted.contains(other)
            if hasPlace || its.place < claim.place { others += 1 }
        }
        guard others < limit else { return false }
        admitted.insert(key)
        crowded.remove(key)
        return true
    }

    /// The first time it goes back at once: another provider may have room. When it comes again nobody had, and giving it back
    /// over and over costs gas: then it waits here for a place, twice as long each time.
    /// - Returns: whether it goes back.
    func isCrowdedOut(_ key: Key, _ claim: GridClaim) -> Bool {
        guard claim.number > 1 else { return true }
        let patience = RetryPolicy(first: settings.retryLimit, ceiling: Self.longestCrowding)
            .seconds(attempt: Int(clamping: claim.number - 2))
        if age(since: claim.claimedAt) >= Int64(patience) { return true }
        crowded.insert(key)
        return false
    }

    var crowdWords: String {
        "this provider runs up to \(settings.maximumJobsPerCustomer ?? 0) jobs of a customer at once"
    }

    /// It has, or needs, no place any more.
    func leave(_ key: Key) {
        admitted.remove(key)
        crowded.remove(key)
    }

    /// A place is free: those of the same customer that wait for one are looked at now.
    func placeIsFree(of login: String?) {
        for other in crowded where self.login(of: other) == login {
            lookNow(other)
            wakeUp()
        }
    }

    // MARK: turns

    /// Looks at several claims: those that are to be decided take turns by customer.
    func advanceAll(_ keys: some Sequence<Key>) {
        var undecided: [Key] = []
        for key in keys {
            if claims[key]?.isUndecided == true { undecided.append(key) } else { advance(key) }
        }
        guard !undecided.isEmpty else { return }
        for key in inTurn(undecided) { advance(key) }
    }

    /// Each customer's first one before anybody's second, counting the jobs that they have; among equals the older claim.
    func inTurn(_ keys: [Key]) -> [Key] {
        guard keys.count > 1 else { return keys }
        var taken: [String: Int] = [:]
        for claim in claims.values where claim.needsCluster && !claim.isUndecided {
            taken[policy.login(of: claim.customer), default: 0] += 1
        }
        let byAge = keys.compactMap { key in claims[key].map { (key: key, claim: $0) } }.sorted {
            $0.claim.place < $1.claim.place
        }
        var turns: [(turn: Int, age: Int, key: Key)] = []
        for (age, (key, claim)) in byAge.enumerated() {
            let login = policy.login(of: claim.customer)
            turns.append((taken[login, default: 0], age, key))
            taken[login, default: 0] += 1
        }
        return turns.sorted { ($0.turn, $0.age) < ($1.turn, $1.age) }.map(\.key)
    }
}

extension GridClaim {
    var isUndecided: Bool { verdict == .undecided && !needsExamination && !isClosed }

    /// It is, or may become, a job in Slurm.
    var needsCluster: Bool {
        if isClosed { return false }
        if slurm.isLive { return true }
        switch verdict {
        case .refused, .failed: return false
        case .undecided, .accepted: return !slurm.isOver && !chain.isOver
        }
    }
}
