// SPDX-License-Identifier: GPL-3.0-or-later

import NIOConcurrencyHelpers
import Testing
import Waiting

@testable import Support

@Suite("What is closed one day", .timeLimit(.minutes(1)))
struct ClosingTests {
    /// Opened from elsewhere.
    private final class Latch: Sendable {
        private let (stream, continuation) = AsyncStream<Void>.makeStream()
        func open() { continuation.finish() }
        func wait() async { for await _ in stream {} }
    }

    @Test("who is inside holds it open; who comes later gets an error; it is closed once")
    func gate() async throws {
        let gate = ClosingGate()
        let (inside, leave) = (Latch(), Latch())
        let closings = NIOLockedValueBox(0)
        let user = Task {
            try await gate.use {
                inside.open()
                await leave.wait()
                return closings.withLockedValue { $0 }
            }
        }
        await inside.wait()
        gate.close { closings.withLockedValue { $0 += 1 } }
        gate.close { closings.withLockedValue { $0 += 10 } }
        #expect(closings.withLockedValue { $0 } == 0)
        await #expect(throws: ClosingGate.Closed.self) { try await gate.use {} }
        leave.open()
        #expect(try await user.value == 0)
        #expect(closings.withLockedValue { $0 } == 1)
    }

    @Test("what is under way comes to its end though its caller is cancelled")
    func shielded() async throws {
        let gate = ClosingGate()
        let (inside, leave) = (Latch(), Latch())
        let user = Task {
            try await gate.use {
                inside.open()
                await leave.wait()
                return Task.isCancelled
            }
        }
        await inside.wait()
        user.cancel()
        leave.open()
        #expect(try await user.value == false)
    }

    @Test("nothing of a service's children runs once they were ended, and none begins")
    func children() async {
        let children = ChildTasks()
        let running = NIOLockedValueBox(0)
        for _ in 0..<20 {
            children.spawn {
                running.withLockedValue { $0 += 1 }
                while !Task.isCancelled { try? await Task.sleep(for: .seconds(3600)) }
                // Still at work after it was told to end.
                for _ in 0..<100 { await Task.yield() }
                running.withLockedValue { $0 -= 1 }
            }
        }
        await children.end()
        #expect(running.withLockedValue { $0 } == 0 && children.count == 0)
        #expect(!children.spawn { running.withLockedValue { $0 = 99 } })
        #expect(running.withLockedValue { $0 } == 0)
    }

    @Test("children that are over are forgotten")
    func forgotten() async throws {
        let children = ChildTasks()
        let done = NIOLockedValueBox(0)
        for _ in 0..<100 { children.spawn { done.withLockedValue { $0 += 1 } } }
        try await waitUntil { children.count <= 0 }
        #expect(done.withLockedValue { $0 } == 100)
    }

    @Test(
        "sums and differences that do not fit are the nearest that do",
        arguments: [
            (Int64.max, Int64(1), Int64.max, Int64.max - 1), (.min, 1, .min + 1, .min), (.max, -1, .max - 1, .max),
            (.min, -1, .min, .min + 1), (5, 3, 8, 2), (.min, .max, -1, .min), (.max, .max, .max, 0),
        ])
    func saturating(_ left: Int64, _ right: Int64, _ sum: Int64, _ difference: Int64) {
        #expect(left.saturatingAdd(right) == sum)
        #expect(left.saturatingSubtract(right) == difference)
    }
}
