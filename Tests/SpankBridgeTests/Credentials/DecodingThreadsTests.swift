// SPDX-License-Identifier: GPL-3.0-or-later

import Dispatch
import NIOConcurrencyHelpers
import Testing
import Waiting

@testable import SpankBridge

/// Calls block on semaphores that the test releases; short time-outs are real, but nothing depends on how soon.
@Suite(.timeLimit(.minutes(1))) struct DecodingThreadsTests {
    private static let opened = OpenedCredential(payload: [1, 2], uid: 3, gid: 4)
    private static let long = Duration.seconds(50)
    private static let short = Duration.milliseconds(30)

    /// A call that hangs until it is let go, and says when it has begun.
    private final class Hanging: Sendable {
        private let gate = DispatchSemaphore(value: 0)
        private let count = NIOLockedValueBox(0)

        var body: @Sendable () -> DecodingThreads.Outcome {
            {
                self.count.withLockedValue { $0 += 1 }
                self.gate.wait()
                return .success(DecodingThreadsTests.opened)
            }
        }

        var begun: Int { count.withLockedValue { $0 } }

        func until(_ number: Int) async throws {
            try await waitUntil { begun >= number }
        }

        func letGo(_ number: Int) {
            for _ in 0..<number { gate.signal() }
        }
    }

    private func run(
        _ threads: DecodingThreads, _ timeout: Duration, _ body: @escaping @Sendable () -> DecodingThreads.Outcome
    ) async -> DecodingThreads.Outcome {
        do throws(CredentialError) {
            return .success(try await threads.run(timeout: timeout, body))
        } catch {
            return .failure(error)
        }
    }

    private func isUnavailable(_ outcome: DecodingThreads.Outcome, because words: String) -> Bool {
        guard case .failure(let error) = outcome else { return false }
        return error.code == .unavailable && error.message.contains(words)
    }

    @Test func answersAndErrorsPass() async throws {
        let threads = DecodingThreads()
        let answer = try await threads.run(timeout: Self.long) { .success(Self.opened) }
        #expect(answer == Self.opened)
        let refusal = await run(threads, Self.long) { .failure(CredentialError(.replayed, "again")) }
        guard case .failure(let error) = refusal else { return #expect(Bool(false), "it must throw") }
        #expect(error.code == .replayed)
    }

    @Test("A whole cluster at once: calls wait for a thread, none is refused")
    func burst() async throws {
        let threads = DecodingThreads(limit: 3)
        let hanging = Hanging()
        let answered = try await withThrowingTaskGroup(of: DecodingThreads.Outcome.self) { group in
            for _ in 0..<100 { group.addTask { await self.run(threads, Self.long, hanging.body) } }
            try await hanging.until(3)
            #expect(hanging.begun == 3, "no more threads than the limit")
            hanging.letGo(100)
            return try await group.reduce(0) { count, outcome in
                if case .success = outcome { count + 1 } else { count }
            }
        }
        #expect(answered == 100)
        #expect(hanging.begun == 100)
    }

    @Test("A call that hangs is given up in time; one that waits behind it never begins")
    func deadline() async throws {
        let threads = DecodingThreads(limit: 1)
        let hanging = Hanging()
        async let first = run(threads, Self.long, hanging.body)
        try await hanging.until(1)
        let second = await run(threads, Self.short, hanging.body)
        #expect(isUnavailable(second, because: "in time"))
        hanging.letGo(1)
        #expect(await first == .success(Self.opened))
        #expect(await run(threads, Self.long) { .success(Self.opened) } == .success(Self.opened))
        #expect(hanging.begun == 1)
    }

    @Test("While all threads hang calls are refused at once; when one comes back all is well again")
    func exhaustion() async {
        let threads = DecodingThreads(limit: 2)
        let hanging = Hanging()
        async let first = run(threads, Self.short, hanging.body)
        async let second = run(threads, Self.short, hanging.body)
        let both = await [first, second]
        #expect(both.allSatisfy { isUnavailable($0, because: "in time") })
        #expect(isUnavailable(await run(threads, Self.long, hanging.body), because: "hangs"))
        #expect(hanging.begun == 2)
        hanging.letGo(2)
        var outcome = await run(threads, Self.long) { .success(Self.opened) }
        while isUnavailable(outcome, because: "hangs") {
            await Task.yield()
            outcome = await run(threads, Self.long) { .success(Self.opened) }
        }
        #expect(outcome == .success(Self.opened))
    }

    @Test func moreThanMayWaitAreRefused() async throws {
        let threads = DecodingThreads(limit: 1, queueLimit: 2)
        let hanging = Hanging()
        try await withThrowingTaskGroup(of: DecodingThreads.Outcome.self) { group in
            group.addTask { await self.run(threads, Self.long, hanging.body) }
            try await hanging.until(1)
            for _ in 0..<5 { group.addTask { await self.run(threads, Self.long, hanging.body) } }
            for _ in 0..<3 {
                let refused = try await group.next()
                #expect(refused.map { isUnavailable($0, because: "munged") } == true)
            }
            hanging.letGo(3)
            for try await outcome in group { #expect(outcome == .success(Self.opened)) }
        }
        #expect(hanging.begun == 3)
    }

    @Test func nothingIsKeptAlive() async throws {
        weak var gone: DecodingThreads?
        do {
            let threads = DecodingThreads()
            gone = threads
            _ = await run(threads, Self.long) { .success(Self.opened) }
        }
        try await waitUntil { gone == nil }
    }
}
