// SPDX-License-Identifier: GPL-3.0-or-later

import NIOConcurrencyHelpers
import Testing
import Waiting

@testable import Agent
@testable import AgentSettings

@Suite("What gateways say of themselves", .timeLimit(.minutes(5)))
struct GatewayAnswersTests {
    @Test(
        "one that hangs is given up after a while, is not asked again until it has come back, and keeps no other waiting"
    )
    func hanging() async throws {
        let clock = VirtualClock()
        let answers = GatewayAnswers(clock: clock)
        let gate = Gate()
        let asked = NIOLockedValueBox(0)
        @Sendable func ask() async -> Int? {
            await answers.ask("a", within: .seconds(5)) {
                asked.withLockedValue { $0 += 1 }
                await gate.wait()
                return 1
            }
        }
        let first = Task { await ask() }
        try await waitUntil { gate.waiting != 0 && clock.sleepers != 0 }
        #expect(await answers.ask("b", within: .seconds(5)) { 2 } == 2)
        clock.advance(by: .seconds(5))
        #expect(await first.value == nil)
        #expect(await ask() == nil && asked.withLockedValue { $0 } == 1)
        gate.come()
        try await waitUntil { await ask() == 1 }
        #expect(asked.withLockedValue { $0 } >= 2)
    }

    @Test("two that ask at once are both answered")
    func together() async throws {
        let answers = GatewayAnswers(clock: VirtualClock())
        let gate = Gate()
        let first = Task { await answers.ask("a", within: .seconds(5)) { await gate.wait() } }
        try await waitUntil { gate.waiting != 0 }
        let second = Task { await answers.ask("a", within: .seconds(5)) { await gate.wait() } }
        try await waitUntil { gate.waiting != 1 }
        gate.come()
        #expect(await first.value != nil)
        #expect(await second.value != nil)
    }

    @Test("whoever asks and is cancelled waits no longer")
    func cancelled() async throws {
        let answers = GatewayAnswers(clock: VirtualClock())
        let gate = Gate()
        let asking = Task { await answers.ask("a", within: .seconds(5)) { await gate.wait() } }
        try await waitUntil { gate.waiting != 0 }
        asking.cancel()
        #expect(await asking.value == nil)
        gate.come()
    }

    /// What was asked of it has been given up, and has not come back.
    private func hang(_ what: String, _ answers: GatewayAnswers, _ gate: Gate) async throws {
        let asking = Task { await answers.ask(what, within: .seconds(5)) { await gate.wait() } }
        try await waitUntil { gate.waiting != 0 }
        asking.cancel()
        _ = await asking.value
    }

    @Test("the status has what the others say, and names the one that says nothing")
    func status() async throws {
        let answers = GatewayAnswers(clock: VirtualClock())
        let gate = Gate()
        try await hang("hanging status", answers, gate)
        let parts = RunningParts(modules: [ProbeModule("hanging"), ProbeModule("other")], answers: answers)
        let status = await StatusSource(parts).current()
        #expect(status.parts.first { $0.name == "other" }?.level == .ok)
        #expect(status.parts.first { $0.name == "hanging" }?.level == .failure && status.health == .failure)
        gate.come()
    }

    @Test("checks of one that hangs are unknown; the others' are there, in their order")
    func checks() async throws {
        let answers = GatewayAnswers(clock: VirtualClock())
        let gate = Gate()
        try await hang("hanging checks", answers, gate)
        let modules: [any GatewayModule] = [ProbeModule("hanging"), ProbeModule("other"), ProbeModule("third")]
        var checks = Checks(configuration: AgentConfiguration(), file: nil)
        checks.modules = modules
        checks.running = RunningParts(modules: modules, answers: answers)
        let found = await checks.ofGateways("checks") { [checks] in [checks.ok($0.name, "")] }
        #expect(found.map(\.level) == [.unknown, .ok, .ok] && found.map(\.subject) == ["hanging", "other", "third"])
        gate.come()
    }
}
