// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import FoundationEssentials

/// What the events and Slurm may have left out.
extension DeepSquareGateway {
    /// A report that was lost without a trace, and a job whose scancel was: everything open is compared with the contract.
    func refreshLoop() async {
        var sinceTidying = 0
        while !Task.isCancelled {
            try? await Task.sleep(for: .seconds(60))
            if Task.isCancelled { return }
            await refreshClaims()
            await learnTimes()
            sinceTidying += 1
            if sinceTidying >= 60 {
                sinceTidying = 0
                try? await store.prune(
                    before: today - 90 * 86_400, paymentsBefore: today - Double(GridStore.daysOfPayments) * 86_400)
            }
        }
    }

    func refreshClaims() async {
        let quiet = claims.filter { key, claim in
            runners[key]?.isIdle ?? true && claim.running?.state != .sent && claim.final?.state != .sent
                && !claim.needsExamination
        }
        for part in stride(from: 0, to: quiet.count, by: 50) {
            let slice = Array(quiet)[part..<min(part + 50, quiet.count)]
            guard let (words, block) = try? await reader.jobs(slice.map(\.key.job), of: contracts),
                await hasRead(to: block)
            else { return }
            var heard: [Key] = []
            for ((key, before), word) in zip(slice, words) {
                guard case .success(let word) = word, claims[key] == before,
                    claims[key]?.take(word, provider: address, block: block) == true
                else { continue }
                // scancel was asked for long ago, and the job lives on.
                if claims[key]?.slurm.isLive == true { claims[key]?.slurm.isCancelled = false }
                heard.append(key)
            }
            do throws(GridError) {
                try await save(heard)
            } catch {
                note(error)
            }
            for key in heard {
                await giveBackIfStuck(key)
                advance(key)
            }
        }
    }
}
