// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
public import JobLifecycle
internal import Logging

/// What Slurm says, by the ledger.
extension DeepSquareGateway {
    public func deliver(_ transitions: [JobTransition]) async throws(GatewayUnavailable) -> [Delivery] {
        var changed: Set<Key> = []
        for transition in transitions {
            guard let key = key(transition) else { continue }
            guard claims[key] != nil else {
                // It is over here.
                if transition.kind == .submitted { try await endOrphan(key, transition) }
                continue
            }
            claims[key]?.take(transition, now: seconds)
            changed.insert(key)
        }
        do throws(GridError) {
            try await save(changed)
        } catch {
            throw GatewayUnavailable(error.description)
        }
        for transition in transitions where transition.kind == .refused {
            guard let key = key(transition), let verdict = claims[key]?.verdict else { continue }
            tell(key, verdict, level: transition.refusal == .withdrawn ? .notice : .warning)
        }
        for transition in transitions where transition.kind == .submitted {
            guard let key = key(transition) else { continue }
            // Slurm judges a job when it is let go.
            spawn {
                try? await Task.sleep(for: .seconds(3))
                await self.giveBackIfStuck(key)
            }
        }
        for key in changed where !crowded.isEmpty && claims[key]?.needsCluster == false {
            placeIsFree(of: login(of: key))
        }
        advanceAll(changed)
        return transitions.map { _ in .delivered }
    }

    /// A job's name in the ledger: job ids are small numbers in practice, and another contract has the same ones.
    func externalID(_ key: Key) -> String { "\(contracts.metaScheduler.hex)/\(key.job)" }

    private func key(_ transition: JobTransition) -> Key? {
        guard let parts = transition.externalID?.split(separator: "/"), parts.count == 2,
            parts[0] == contracts.metaScheduler.hex, let job = Hash32(hex: parts[1]), let number = transition.claim
        else { return nil }
        return Key(job: job, number: number)
    }

    /// A claim that was over before it had a job has none. Before the ledger takes it for delivered, its end is in there.
    private func endOrphan(_ key: Key, _ transition: JobTransition) async throws(GatewayUnavailable) {
        do {
            guard let claim = try await store.claim("\(key.job)", key.number), claim.isClosed, claim.slurm.jobID == nil
            else { return }
            let why = "its claim is over"
            try await ledger.ask(.cancel(why: why), of: name, externalID(key), claim: key.number)
            let metadata = ids(key, ["slurm": "\(transition.jobID ?? 0)"])
            logger.notice("cancels a job whose claim is over", metadata: metadata)
        } catch {
            throw GatewayUnavailable("\(error)")
        }
    }
}
