// SPDX-License-Identifier: GPL-3.0-or-later

import PageTesting
import Testing
import Waiting

@testable import AdminHTTP
@testable import StatusViews

@Suite("Status cache")
struct StatusCacheTests {
    /// Gives a status when it is told to.
    private actor Source {
        private(set) var asked = 0
        private var waiting: [CheckedContinuation<Void, Never>] = []
        private var isHeld: Bool

        init(isHeld: Bool) {
            self.isHeld = isHeld
        }

        func read() async -> AgentStatus {
            asked += 1
            var status = AgentStatus.bare
            status.summary = "\(asked)"
            if isHeld { await withCheckedContinuation { waiting.append($0) } }
            return status
        }

        func release() {
            isHeld = false
            for waiter in waiting { waiter.resume() }
            waiting = []
        }

        func hold() { isHeld = true }
    }

    @Test("however many ask, it is gathered once, and again only when it is old")
    func once() async throws {
        let source = Source(isHeld: true)
        let cache = StatusCache(maximumAge: .seconds(3600), patience: .seconds(3600)) { await source.read() }
        try await withThrowingTaskGroup(of: String?.self) { group in
            for _ in 0..<20 { group.addTask { await cache.current()?.status.summary } }
            try await waitUntil { await source.asked != 0 }
            await source.release()
            for try await summary in group { #expect(summary == "1") }
        }
        #expect(await cache.current()?.status.summary == "1")
        #expect(await source.asked == 1)
        let fresh = StatusCache(maximumAge: .zero) { await source.read() }
        #expect(await fresh.current()?.status.summary == "2")
        #expect(await fresh.current()?.status.summary == "3")
    }

    @Test("who is cancelled waits no longer")
    func cancelled() async throws {
        let source = Source(isHeld: true)
        let cache = StatusCache(patience: .seconds(3600)) { await source.read() }
        let waiting = Task { await cache.current() == nil }
        try await waitUntil { await source.asked != 0 }
        waiting.cancel()
        #expect(await waiting.value)
        await source.release()
    }

    @Test("who waits long enough gets the last one, or nothing when there is none")
    func hanging() async throws {
        let source = Source(isHeld: true)
        let cache = StatusCache(maximumAge: .zero, patience: .milliseconds(20)) { await source.read() }
        #expect(await cache.current() == nil)
        await source.release()
        try await waitUntil { await cache.current()?.status.summary == "1" }
        await source.hold()
        #expect(await cache.current()?.status.summary != nil)
        await source.release()
    }
}
