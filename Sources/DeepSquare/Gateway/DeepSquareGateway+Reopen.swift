// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import Logging

/// Reports that were over, and whose block the chain has lost: their transactions are sent again, and may find the contract in
/// another state, as when the provider was banned meanwhile.
extension DeepSquareGateway {
    /// After a start: what became of reports since their outcome was told.
    func reopenLost(_ claims: [GridClaim]) async throws {
        let open = Set(await manager.openKeys(prefix: Self.intentPrefix))
        for claim in claims {
            for report in claim.toldReports {
                let intent = intentKey(Key(claim), report.attempt)
                if open.contains(intent) {
                    await reopen(intent)
                } else if let outcome = try await manager.outcome(intent), !outcome.hasEffect {
                    await reopen(intent)
                }
            }
        }
    }

    /// The transaction manager has an intent under way again.
    func reopen(_ intent: String) async {
        guard let (key, attempt) = report(of: intent) else { return }
        while !Task.isCancelled {
            do throws(GridError) {
                return try await reopen(key, attempt)
            } catch {
                note(error)
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }

    private func reopen(_ key: Key, _ attempt: Int) async throws(GridError) {
        let stored = claims[key] == nil ? try await store.claims(ofJob: key.job).last : nil
        // Whatever the contract says now is about a later claim.
        guard var claim = claims[key] ?? stored, claim.number == key.number, claim.lose(attempt: attempt) else {
            return
        }
        claims[key] = claim
        logger.warning(
            "the chain has lost the block of a report, which is on its way again",
            metadata: ids(key, ["transaction_key": "\(intentKey(key, attempt))"]))
        await saveOrRetry(key)
        for report in claim.openReports where report.attempt == attempt { watch(report, key) }
        advance(key)
    }
}
