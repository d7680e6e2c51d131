// SPDX-License-Identifier: GPL-3.0-or-later

/// Shares one reader of the job list among all callers.
///
/// A caller gets an answer that was asked for after it came: whoever arrives during a load waits for the next one,
/// which all the waiting share.
actor JobFeed {
    typealias Load = @Sendable (JobSnapshot?) async throws(SlurmError) -> JobSnapshot
    private typealias Answer = Result<JobSnapshot, SlurmError>

    private var current: JobSnapshot?
    private var running: Task<Answer, Never>?
    private var queued: Task<Answer, Never>?

    func next(_ load: @escaping Load) async throws(SlurmError) -> JobSnapshot {
        let mine: Task<Answer, Never>
        if let queued {
            mine = queued
        } else if let running {
            mine = Task {
                _ = await running.value
                return await self.begin(load)
            }
            queued = mine
        } else {
            mine = Task { await self.perform(load) }
            running = mine
        }
        return try await Self.answer(of: mine).get()
    }

    /// The load goes on for the others; a caller that is cancelled does not wait for it.
    private static func answer(of load: Task<Answer, Never>) async -> Answer {
        let (answers, continuation) = AsyncStream<Answer>.makeStream()
        let relay = Task {
            continuation.yield(await load.value)
            continuation.finish()
        }
        defer { relay.cancel() }
        for await answer in answers { return answer }
        return .failure(SlurmError(.cancelled, "cancelled by the caller", call: "slurm_load_jobs"))
    }

    /// The queued load becomes the running one.
    private func begin(_ load: @escaping Load) async -> Answer {
        running = queued
        queued = nil
        return await perform(load)
    }

    private func perform(_ load: @escaping Load) async -> Answer {
        let answer: Answer
        do {
            let snapshot = try await load(current)
            current = snapshot
            answer = .success(snapshot)
        } catch {
            answer = .failure(error)
        }
        if queued == nil { running = nil }
        return answer
    }
}
