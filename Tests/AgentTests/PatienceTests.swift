// SPDX-License-Identifier: GPL-3.0-or-later

import NIOConcurrencyHelpers
import Support
import Testing

@testable import Agent

@Suite("Waiting for what may come")
struct PatienceTests {
    private let quick = Patience(retry: RetryPolicy(first: .milliseconds(1), ceiling: .milliseconds(2)))

    @Test("tries until it works, and tells each failure")
    func works() async throws {
        let tries = NIOLockedValueBox(0)
        let told = NIOLockedValueBox<[String]>([])
        let part = try await quick.open(
            waiting: { trouble in told.withLockedValue { $0.append(trouble.description) } },
            {
                let count = tries.withLockedValue { count in
                    count += 1
                    return count
                }
                guard count == 4 else { throw Patience.Trouble(description: "try \(count)") }
                return count
            })
        #expect(part == 4)
        #expect(told.withLockedValue { $0 } == ["try 1", "try 2", "try 3"])
    }

    @Test("what trying again does not help ends it")
    func final() async {
        await #expect(throws: Daemon.StartFailure.self) {
            _ = try await quick.open(waiting: { _ in }) { () async throws -> Int in
                throw Daemon.StartFailure(exitStatus: 78, description: "another cluster's")
            }
        }
    }

    @Test("gives up when the agent is to end")
    func cancelled() async throws {
        let waits = Patience(retry: RetryPolicy(first: .seconds(3600), ceiling: .seconds(3600)))
        let task = Task {
            try await waits.open(waiting: { _ in }) { () async throws -> Int in
                throw Patience.Trouble(description: "never")
            }
        }
        try await Task.sleep(for: .milliseconds(20))
        task.cancel()
        #expect(try await task.value == nil)
    }
}
