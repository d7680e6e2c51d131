// SPDX-License-Identifier: GPL-3.0-or-later

internal import Support

/// How somebody who is asked has answered of late, and so how many questions may be put at once.
struct PartyState: Sendable {
    let retry: RetryPolicy
    private(set) var failures = 0
    /// Nothing is asked before.
    private(set) var pausedUntil = Duration.zero

    init(retry: RetryPolicy) {
        self.retry = retry
    }

    func width(_ limit: Int, now: Duration) -> Int {
        if now < pausedUntil { return 0 }
        return failures > 0 ? min(1, limit) : limit
    }

    mutating func record(succeeded: Bool, now: Duration) {
        if succeeded {
            failures = 0
            pausedUntil = .zero
        } else {
            pausedUntil = max(pausedUntil, now + retry.delay(attempt: failures))
            failures += 1
        }
    }
}

/// Job numbers in the order in which they came; one in the middle may leave.
struct WaitingLine: Sendable {
    private var numbers: [UInt32] = []
    private var head = 0
    private var present: Set<UInt32> = []

    var count: Int { present.count }
    var isEmpty: Bool { present.isEmpty }

    mutating func append(_ number: UInt32) {
        if present.insert(number).inserted { numbers.append(number) }
    }

    mutating func remove(_ number: UInt32) {
        present.remove(number)
    }

    mutating func popFirst() -> UInt32? {
        while head < numbers.count {
            let number = numbers[head]
            head += 1
            if head > 1024, head * 2 > numbers.count {
                numbers.removeFirst(head)
                head = 0
            }
            if present.remove(number) != nil { return number }
        }
        numbers.removeAll(keepingCapacity: true)
        head = 0
        return nil
    }
}
