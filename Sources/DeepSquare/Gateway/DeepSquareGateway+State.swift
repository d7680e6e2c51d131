// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import JobLifecycle
internal import Logging

/// What is done at the start when one of the state's files is not the one that it was (docs/state.md).
extension DeepSquareGateway {
    /// In the file: what is open is looked for before anything is done with it.
    static let doubtName = "doubtful"
    static let otherDoubt = "state"
    static let chainDoubt = "chain"

    /// Before anything is reported: what the other files say of the claims.
    func compareState() async throws {
        let doubt = try await store.value(Self.doubtName)
        try await compareWithLedger()
        guard let doubt else { return }
        for key in claims.keys {
            if doubt == Self.chainDoubt { claims[key]?.dropReports() }
            if claims[key]?.isClosed == false { claims[key]?.needsExamination = true }
        }
        try await save(Array(claims.keys))
        try await store.set(Self.doubtName, nil)
    }

    /// Takes in what the ledger delivered and a crash kept from here. A claim whose job the ledger does not have, or has less
    /// of than was told before, is found again in Slurm, slurmdbd and on the chain.
    private func compareWithLedger() async throws {
        var lost: [Key] = []
        for (key, claim) in claims {
            let order = try await ledger.order(name, externalID(key), claim: claim.number)
            let told = try await ledger.transitions(of: name, externalID(key), claim: claim.number)
            // One that is over in Slurm needs nothing more of it.
            if claim.slurm.isLive || claim.needsExamination, claim.slurm.ending == nil {
                let isBehind = (told.last?.sequence ?? 0) < claim.slurm.sequence
                if order == nil || isBehind {
                    if claim.slurm.isLive { lost.append(key) }
                    claims[key]?.forgetSlurm()
                    if order != nil { claims[key]?.slurm.isOrdered = true }
                    claims[key]?.needsExamination = true
                }
            }
            for transition in told { claims[key]?.take(transition, now: seconds) }
        }
        guard !lost.isEmpty else { return }
        logger.warning(
            "the ledger lacks jobs of the grid that are under way: they are looked for in Slurm and on the chain",
            metadata: ["count": "\(lost.count)"])
        try await save(lost)
    }
}
