// SPDX-License-Identifier: GPL-3.0-or-later

import NIOConcurrencyHelpers
import Testing

@testable import Jarvice

@Suite("Who comes in by a gate")
struct SubmissionGateTests {
    @Test("one at a time of each key, and all of them in the end")
    func oneAtATime() async {
        let gate = SubmissionGate()
        let inside = NIOLockedValueBox<[String: Int]>([:])
        let most = NIOLockedValueBox<[String: Int]>([:])
        let done = NIOLockedValueBox(0)
        await withDiscardingTaskGroup { group in
            for number in 0..<60 {
                group.addTask {
                    let key = "\(number % 3)"
                    await gate.enter(key)
                    let now = inside.withLockedValue { inside in
                        inside[key, default: 0] += 1
                        return inside[key] ?? 0
                    }
                    most.withLockedValue { $0[key] = max($0[key] ?? 0, now) }
                    await Task.yield()
                    inside.withLockedValue { $0[key, default: 0] -= 1 }
                    done.withLockedValue { $0 += 1 }
                    await gate.leave(key)
                }
            }
        }
        #expect(done.withLockedValue { $0 } == 60)
        #expect(most.withLockedValue { $0 } == ["0": 1, "1": 1, "2": 1])
    }
}
