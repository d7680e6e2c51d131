// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import Synchronization
import Testing
import Waiting

@testable import Slurm

@Suite(.timeLimit(.minutes(1))) struct JobFeedTests {
    /// A load that answers when it is told to.
    fileprivate final class Loader: Sendable {
        private struct State {
            var arrived = 0
            var known: [JobSnapshot?] = []
            var waiting: [CheckedContinuation<Result<JobSnapshot, SlurmError>, Never>] = []
        }

        private let state = Mutex(State())

        var loads: Int { state.withLock { $0.known.count } }
        var lastKnown: JobSnapshot? { state.withLock { $0.known.last ?? nil } }

        func load(_ known: JobSnapshot?) async throws(SlurmError) -> JobSnapshot {
            let result = await withCheckedContinuation { continuation in
                state.withLock { state in
                    state.known.append(known)
                    state.waiting.append(continuation)
                }
            }
            return try result.get()
        }

        func answer(_ result: Result<JobSnapshot, SlurmError>) {
            state.withLock { $0.waiting.removeFirst() }.resume(returning: result)
        }

        func count() {
            state.withLock { $0.arrived += 1 }
        }

        func untilArrived(_ count: Int, _ feed: JobFeed) async throws {
            try await waitUntil { state.withLock { $0.arrived } >= count }
            await feed.barrier()
        }

        func untilLoads(_ count: Int) async throws {
            try await waitUntil { loads >= count }
        }
    }

    private static func snapshot(_ time: Double) -> JobSnapshot {
        JobSnapshot(updateTime: Date(timeIntervalSince1970: time), jobs: [])
    }

    private func call(_ feed: JobFeed, _ loader: Loader) -> Task<JobSnapshot, any Error> {
        Task {
            try await feed.counted(loader) { known async throws(SlurmError) in try await loader.load(known) }
        }
    }

    @Test func callersDuringALoadShareTheNextOne() async throws {
        let (feed, loader) = (JobFeed(), Loader())
        let first = call(feed, loader)
        try await loader.untilLoads(1)
        let others = (0..<20).map { _ in call(feed, loader) }
        try await loader.untilArrived(1 + others.count, feed)
        let (one, two) = (Self.snapshot(1), Self.snapshot(2))
        loader.answer(.success(one))
        #expect(try await first.value === one)
        try await loader.untilLoads(2)
        // Whoever asked while the first load ran must not get its answer.
        loader.answer(.success(two))
        for other in others { #expect(try await other.value === two) }
        #expect(loader.loads == 2)
    }

    @Test func anErrorIsSharedAndForgotten() async throws {
        let (feed, loader) = (JobFeed(), Loader())
        let first = call(feed, loader)
        try await loader.untilLoads(1)
        let others = (0..<5).map { _ in call(feed, loader) }
        try await loader.untilArrived(1 + others.count, feed)
        loader.answer(.success(Self.snapshot(1)))
        _ = try await first.value
        try await loader.untilLoads(2)
        loader.answer(.failure(SlurmError(.unavailable, "down")))
        for other in others {
            let error = await #expect(throws: SlurmError.self) { try await other.value }
            #expect(error?.code == .unavailable)
        }
        let later = call(feed, loader)
        try await loader.untilLoads(3)
        #expect(loader.lastKnown?.updateTime == Date(timeIntervalSince1970: 1), "what was known is known still")
        let three = Self.snapshot(3)
        loader.answer(.success(three))
        #expect(try await later.value === three)
    }

    @Test func nothingNewHandsOutTheSameSnapshot() async throws {
        let (feed, loader) = (JobFeed(), Loader())
        let one = Self.snapshot(1)
        for round in 1...3 {
            let caller = call(feed, loader)
            try await loader.untilLoads(round)
            #expect(loader.lastKnown === (round == 1 ? nil : one))
            loader.answer(.success(one))
            #expect(try await caller.value === one)
        }
    }

    /// Counts the loads that run at once.
    private final class Gauge: Sendable {
        private let state = Mutex((now: 0, most: 0))

        var most: Int { state.withLock { $0.most } }

        func enter() {
            state.withLock { state in
                state.now += 1
                state.most = max(state.most, state.now)
            }
        }

        func leave() {
            state.withLock { $0.now -= 1 }
        }
    }

    @Test func loadsOneAfterTheOther() async throws {
        let (feed, gauge) = (JobFeed(), Gauge())
        let callers = (0..<50).map { _ in
            Task {
                try await feed.next { _ async throws(SlurmError) in
                    gauge.enter()
                    await Task.yield()
                    gauge.leave()
                    return Self.snapshot(1)
                }
            }
        }
        for caller in callers { _ = try await caller.value }
        #expect(gauge.most == 1)
    }

}

extension JobFeed {
    /// `next`, counted on the actor: who has been counted is also waiting for a load.
    fileprivate func counted(_ arrived: JobFeedTests.Loader, _ load: @escaping Load) async throws(SlurmError)
        -> JobSnapshot
    {
        arrived.count()
        return try await next(load)
    }

    /// Returns once the actor has let go of the caller that was counted last.
    fileprivate func barrier() {}
}
