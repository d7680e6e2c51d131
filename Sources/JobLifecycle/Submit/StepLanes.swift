// SPDX-License-Identifier: GPL-3.0-or-later

internal import Logging
internal import NIOConcurrencyHelpers
internal import ServiceLifecycle
internal import Support

/// Takes steps that the ledger has waiting, so many side by side: each that ends makes room for the next at once, and one that
/// hangs holds up no other.
struct StepLanes<Step: Sendable>: Sendable {
    let width: Int
    /// What waits, for the log.
    let subject: String
    let logger: Logger
    let clock: any Clock<Duration>
    /// One at a time of each.
    let name: @Sendable (Step) -> String

    /// Until the agent ends.
    /// - Parameters:
    ///   - due: what is due and not under way, at most as many as have room.
    ///   - pause: until something is due, besides what is under way.
    func run(
        wakeUp: WakeUp,
        due: @escaping @Sendable (_ busy: Set<String>) async throws(LedgerError) -> [Step],
        pause pauseUntilNext: @escaping @Sendable (_ busy: Set<String>) async throws(LedgerError) -> Duration,
        take: @escaping @Sendable (Step) async -> Void
    ) async {
        let busy = StepsUnderWay()
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                while !Task.isCancelled {
                    var pause = Duration.seconds(1)
                    do {
                        for step in try await due(busy.names) {
                            let name = name(step)
                            busy.insert(name)
                            group.addTask {
                                await take(step)
                                busy.remove(name)
                                wakeUp.raise()
                            }
                        }
                        // Of those under way each raises the wake-up when it ends.
                        pause = busy.count >= width ? .seconds(60) : try await pauseUntilNext(busy.names)
                    } catch {
                        if Task.isCancelled { return }
                        logger.warning("\(subject) wait: the ledger cannot be used", metadata: ["why": "\(error)"])
                    }
                    await wakeUp.wait(atMost: pause, clock: clock)
                }
                group.cancelAll()
            }
        }
    }

    /// Takes each of these steps, side by side, and waits for them.
    /// - Returns: whether there was one.
    static func take(_ steps: [Step], _ take: @escaping @Sendable (Step) async -> Void) async -> Bool {
        await withDiscardingTaskGroup { group in
            for step in steps { group.addTask { await take(step) } }
        }
        return !steps.isEmpty
    }

    /// How long to wait for what is due at this time of the ledger, Unix microseconds; nil: nothing is.
    static func pause(until next: Int64?, _ ledger: Ledger) -> Duration {
        guard let next else { return .seconds(60) }
        return min(.seconds(60), max(.milliseconds(5), .microseconds(next - ledger.microseconds)))
    }
}

/// The steps that are under way.
private final class StepsUnderWay: Sendable {
    private let box = NIOLockedValueBox<Set<String>>([])

    var names: Set<String> { box.withLockedValue { $0 } }
    var count: Int { box.withLockedValue { $0.count } }
    func insert(_ name: String) { box.withLockedValue { _ = $0.insert(name) } }
    func remove(_ name: String) { box.withLockedValue { _ = $0.remove(name) } }
}
