// SPDX-License-Identifier: GPL-3.0-or-later

import JobLifecycle
import NIOConcurrencyHelpers
import ServiceLifecycle
import Support
import Testing
import Waiting

@testable import Agent

/// Whatever one gateway does, the others and the ledger go on. No test waits for a time to pass: what hangs hangs for ever.
@Suite("A gateway beside others", .timeLimit(.minutes(5)))
struct GatewayIsolationTests {
    private static let ids: ClosedRange<UInt32> = 1...40

    private static func unopened(
        _ name: String, _ open: @escaping @Sendable () async throws -> OpenGateway?
    ) -> ProbeModule {
        var module = ProbeModule(name)
        module.opens = { _, _ in try await open() }
        return module
    }

    @Test("one that throws at its opening and one whose opening hangs: the third is told of everything, in order")
    func opening() async throws {
        let gate = Gate()
        let third = ProbeModule("third")
        let house = try GatewayHouse([
            Self.unopened("throws") { throw GatewayUnavailable("no such upstream") },
            Self.unopened("hangs") {
                await gate.wait()
                return nil
            }, third,
        ])
        try await house.run { house in
            try await house.jobsEnd(Self.ids)
            #expect(await third.probe.ends(Self.ids.count) == Array(Self.ids))
            try await waitUntil { house.parts.now.gateways["throws"]?.trouble != nil }
            let now = house.parts.now.gateways
            #expect(now["throws"]?.trouble?.description == "no such upstream" && now["throws"]?.running == nil)
            #expect(now["hangs"]?.running == nil && now["third"]?.running != nil)
            // What it was not told waits for it.
            #expect(try await house.ledger.backlogs().first { $0.gateway == "hangs" }?.waiting == Self.ids.count)
            gate.come()
        }
    }

    enum Rudeness: CaseIterable {
        case hangs, throwsAlways, retriesAlways, answersTooMuch, answersNothing
    }

    @Test("one whose deliver hangs, refuses or floods: the other is told of everything", arguments: Rudeness.allCases)
    func delivering(_ rudeness: Rudeness) async throws {
        let gate = Gate()
        let rude = ProbeModule("rude") { transitions async throws(GatewayUnavailable) in
            switch rudeness {
            case .hangs: await gate.wait()
            case .throwsAlways: throw GatewayUnavailable("away")
            case .retriesAlways: return transitions.map { _ in .retry("later") }
            case .answersTooMuch: return [Delivery](repeating: .refused("no"), count: 100_000)
            case .answersNothing: return []
            }
            return []
        }
        let polite = ProbeModule("polite")
        let house = try GatewayHouse([rude, polite])
        try await house.run { house in
            try await house.jobsEnd(Self.ids)
            #expect(await polite.probe.ends(Self.ids.count) == Array(Self.ids))
            #expect(try await house.ledger.counts().jobs == Self.ids.count)
            gate.come()
        }
    }

    @Test("one that could not be opened is opened again, later each time; what it kept is still there")
    func again() async throws {
        let clock = VirtualClock()
        let attempts = NIOLockedValueBox(0)
        let made = NIOLockedValueBox(0)
        let closed = NIOLockedValueBox(0)
        var module = ProbeModule("late")
        module.opens = { context, probe in
            _ = await context.memory.keep({ made.withLockedValue { $0 += 1 } }) { _ in
                closed.withLockedValue { $0 += 1 }
            }
            let attempt = attempts.withLockedValue { attempts in
                attempts += 1
                return attempts
            }
            if attempt < 4 { throw GatewayUnavailable("attempt \(attempt)") }
            return OpenGateway(running: probe, consumer: probe)
        }
        let house = try GatewayHouse([module]) { $0.clock = clock }
        try await house.run { house in
            for attempt in 1...3 {
                while house.parts.now.gateways["late"]?.trouble?.description != "attempt \(attempt)"
                    || clock.sleepers == 0
                {
                    await Task.yield()
                }
                clock.advance(by: .seconds(60))
            }
            try await house.jobsEnd(1...1)
            #expect(await module.probe.ends(1) == [1])
            #expect(house.parts.now.gateways["late"]?.trouble == nil)
        }
        #expect(attempts.withLockedValue { $0 } == 4)
        #expect(made.withLockedValue { $0 } == 1 && closed.withLockedValue { $0 } == 1)
    }

    private struct Failing: Service {
        func run() async throws { throw GatewayUnavailable("broke off") }
    }

    @Test("one whose service fails is closed and opened again; meanwhile it says why")
    func failing() async throws {
        let clock = VirtualClock()
        let closed = NIOLockedValueBox(0)
        let opened = NIOLockedValueBox(0)
        var module = ProbeModule("breaks")
        module.opens = { _, probe in
            let isFirst = opened.withLockedValue { opened in
                opened += 1
                return opened == 1
            }
            return OpenGateway(
                running: probe, services: isFirst ? [Failing()] : [], consumer: probe,
                close: { closed.withLockedValue { $0 += 1 } })
        }
        let house = try GatewayHouse([module]) { $0.clock = clock }
        try await house.run { house in
            try await waitUntil { house.parts.now.gateways["breaks"]?.trouble != nil && clock.sleepers != 0 }
            let state = house.parts.now.gateways["breaks"]
            #expect(state?.running == nil && state?.trouble?.description == "broke off")
            #expect(closed.withLockedValue { $0 } == 1)
            clock.advance(by: .seconds(60))
            try await house.jobsEnd(1...1)
            #expect(await module.probe.ends(1) == [1])
        }
        #expect(opened.withLockedValue { $0 } == 2 && closed.withLockedValue { $0 } == 2)
    }

    private struct FailingLater: Service {
        let gate: Gate

        func run() async throws {
            await gate.wait()
            throw GatewayUnavailable("broke off")
        }
    }

    @Test("one that breaks off is opened again after the shortest pause if it worked for long", arguments: [60, 29])
    func pauses(_ seconds: Int) async throws {
        let clock = VirtualClock()
        let gate = Gate()
        let opened = NIOLockedValueBox(0)
        var module = ProbeModule("breaks")
        module.opens = { _, probe in
            let attempt = opened.withLockedValue { opened in
                opened += 1
                return opened
            }
            if attempt < 4 { throw GatewayUnavailable("attempt \(attempt)") }
            return OpenGateway(
                running: probe, services: attempt == 4 ? [FailingLater(gate: gate)] : [], consumer: probe)
        }
        let house = try GatewayHouse([module]) {
            $0.clock = clock
            $0.retry = RetryPolicy(first: .seconds(1), ceiling: .seconds(30))
        }
        try await house.run { house in
            for _ in 1...3 {
                try await waitUntil { clock.sleepers != 0 }
                clock.advance(by: .seconds(30))
            }
            try await waitUntil { gate.waiting != 0 }
            clock.advance(by: .seconds(seconds))
            gate.come()
            try await waitUntil { clock.sleepers != 0 }
            clock.advance(by: .seconds(1))
            #expect((clock.sleepers == 0) == (seconds >= 30))
            clock.advance(by: .seconds(30))
            try await house.jobsEnd(1...1)
            #expect(await module.probe.ends(1) == [1])
        }
    }

    @Test("what a person has to look at first ends the agent, with its exit status")
    func final() async throws {
        let house = try GatewayHouse([
            Self.unopened("final") { throw Daemon.StartFailure(exitStatus: 78, description: "of a newer release") }
        ])
        await #expect {
            try await house.fail()
        } throws: {
            ($0 as? Daemon.StartFailure)?.exitStatus == 78
        }
    }

    @Test("an agent that ends waits for a gateway that hangs no longer than it may take")
    func ending() async throws {
        let clock = VirtualClock()
        let gate = Gate()
        let house = try GatewayHouse([
            Self.unopened("hangs") {
                await gate.wait()
                return nil
            }
        ]) {
            $0.clock = clock
            $0.farewell = .seconds(35)
        }
        let watch = Task {
            try await waitUntil { clock.sleepers != 0 }
            clock.advance(by: .seconds(35))
        }
        try await house.run { _ in
            try await waitUntil { gate.waiting != 0 }
        }
        try await watch.value
        gate.come()
    }
}
