// SPDX-License-Identifier: GPL-3.0-or-later

internal import NIOConcurrencyHelpers
internal import Support

/// Asks gateways what they have to say, each for so long: one that hangs keeps nobody from the answers of the others, and is
/// not asked again until what was asked before has come back.
final class GatewayAnswers: Sendable {
    private let clock: any Clock<Duration>
    /// By what was asked, how many have been given up and not come back.
    private let stuck = NIOLockedValueBox<[String: Int]>([:])

    init(clock: any Clock<Duration> = ContinuousClock()) {
        self.clock = clock
    }

    /// - Returns: nil when there is no answer in time, or the caller is cancelled; at once while an earlier one is awaited.
    func ask<Answer: Sendable>(
        _ what: String, within limit: Duration, _ body: @escaping @Sendable () async -> Answer
    ) async -> Answer? {
        guard stuck.withLockedValue({ $0[what, default: 0] == 0 }) else { return nil }
        let slot = AnswerSlot<Answer?>()
        let isGivenUp = NIOLockedValueBox<Bool?>(false)
        let work = Task { [stuck] in
            let answer = await body()
            // Whoever comes first, this or the timer, decides.
            let wasGivenUp = isGivenUp.withLockedValue { state in
                defer { state = nil }
                return state == true
            }
            if wasGivenUp { stuck.withLockedValue { $0[what, default: 0] -= 1 } }
            slot.resume(.success(answer))
        }
        @Sendable func giveUp() {
            isGivenUp.withLockedValue { state in
                guard state == false else { return }
                state = true
                stuck.withLockedValue { $0[what, default: 0] += 1 }
            }
            work.cancel()
            slot.resume(.success(nil))
        }
        let timer = Task { [clock] in
            try await clock.sleep(for: limit)
            giveUp()
        }
        defer { timer.cancel() }
        return await withTaskCancellationHandler {
            (try? await slot.value()) ?? nil
        } onCancel: {
            giveUp()
        }
    }

    /// All of them at once, in their order.
    func all<Answer: Sendable>(
        _ modules: [any GatewayModule], _ what: String, within limit: Duration,
        _ body: @escaping @Sendable (any GatewayModule) async -> Answer
    ) async -> [(module: any GatewayModule, answer: Answer?)] {
        await withTaskGroup(of: (Int, Answer?).self) { group in
            for (index, module) in modules.enumerated() {
                group.addTask {
                    (index, await self.ask("\(module.name) \(what)", within: limit) { await body(module) })
                }
            }
            var answers: [Int: Answer] = [:]
            for await (index, answer) in group { answers[index] = answer }
            return modules.enumerated().map { ($0.element, answers[$0.offset]) }
        }
    }
}
