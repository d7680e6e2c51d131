// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import JobLifecycle
internal import Logging
internal import NIOConcurrencyHelpers
internal import ServiceLifecycle
internal import SlurmAdapter
internal import Support

/// Opens one gateway, runs it, and opens it again when it has failed.
///
/// All of that is done by a task of its own, which this service outlives when it hangs: an agent that ends, and those parts of
/// it that end after this one, wait for a gateway for so long and no longer.
struct GatewayRunner: Service {
    let module: any GatewayModule
    let configuration: AgentConfiguration
    let folder: String
    let parts: RunningParts
    let ledger: Ledger
    let scheduler: any Scheduler
    var slurm: SlurmScheduler?
    let logger: Logger
    /// Between two attempts.
    var retry = GatewayContext.retry
    /// How long it may take to end.
    var farewell: Duration = .seconds(35)
    var clock: any Clock<Duration> = ContinuousClock()

    func run() async throws {
        let end = AnswerSlot<Void>()
        let life = Task {
            do {
                end.resume(.success(try await live()))
            } catch {
                end.resume(.failure(error))
            }
        }
        let watch = Task {
            try await gracefulShutdown()
            try await clock.sleep(for: farewell)
            logger.error("gave up waiting for a gateway to end", metadata: ["gateway": "\(module.name)"])
            end.resume(.success(()))
        }
        defer {
            watch.cancel()
            life.cancel()
        }
        try await withTaskCancellationHandler {
            try await end.value()
        } onCancel: {
            life.cancel()
            end.resume(.success(()))
        }
    }

    private var isEnding: Bool { Task.isCancelled || Task.isShuttingDownGracefully }

    private func live() async throws {
        let memory = GatewayMemory()
        defer { parts.change { $0.gateways[module.name] = nil } }
        do {
            try await openAgainAndAgain(memory)
        } catch {
            await memory.close()
            throw error
        }
        await memory.close()
    }

    private func openAgainAndAgain(_ memory: GatewayMemory) async throws {
        var failures = 0
        while !isEnding {
            do {
                if let open = try await module.open(context(memory)) {
                    var served: Result<Void, any Error> = .success(())
                    let time = await clock.measure {
                        do { try await serve(open) } catch { served = .failure(error) }
                    }
                    // What worked for as long as the longest pause begins with the shortest one again.
                    if time >= retry.ceiling { failures = 0 }
                    return try served.get()
                }
                if isEnding { return }
                tell(Patience.Trouble(description: "it opened nothing"))
            } catch let failure as Daemon.StartFailure {
                throw failure
            } catch {
                if isEnding { return }
                tell(error as? Patience.Trouble ?? Patience.Trouble(description: "\(error)"))
            }
            let pause = retry.delay(attempt: failures)
            await cancelWhenGracefulShutdown { try? await clock.sleep(for: pause) }
            failures += 1
        }
    }

    private func context(_ memory: GatewayMemory) -> GatewayContext {
        GatewayContext(
            configuration: configuration, folder: folder, ledger: ledger, scheduler: scheduler, slurm: slurm,
            nodeReports: parts.nodeReports, logger: logger, memory: memory,
            labels: { [parts] in await parts.labels($0) }, notReady: { tell($0) })
    }

    private func tell(_ trouble: Patience.Trouble) {
        parts.change { $0.gateways[module.name, default: .init()].trouble = trouble }
        logger.error(
            "gateway not ready: it is tried again",
            metadata: ["gateway": "\(module.name)", "why": "\(trouble.description)"])
    }

    private func serve(_ open: OpenGateway) async throws {
        parts.change { $0.gateways[module.name] = .init(running: open.running) }
        // Read again since it was opened.
        if let changed = parts.now.configuration { await module.take(changed, running: open.running) }
        var services = open.services
        if let consumer = open.consumer {
            services.append(OutboxRunner(ledger: ledger, gateway: consumer, logger: logger))
        }
        do {
            if services.isEmpty {
                try? await gracefulShutdown()
            } else {
                try await ServiceGroup(services).run()
            }
        } catch {
            await close(open)
            throw error
        }
        await close(open)
    }

    /// Nobody finds what is about to be closed.
    private func close(_ open: OpenGateway) async {
        parts.change { $0.gateways[module.name]?.running = nil }
        await open.close()
    }
}

/// What a gateway keeps from one opening to the next, until the agent ends.
final class GatewayMemory: Sendable {
    private struct State: Sendable {
        var kept: (any Sendable)?
        var close: @Sendable () async -> Void = {}
    }

    private let state = NIOLockedValueBox(State())

    /// What was kept, or what is made now.
    func keep<Kept: Sendable>(
        _ make: () async throws -> Kept, close: @escaping @Sendable (Kept) async -> Void
    ) async rethrows -> Kept {
        if let kept = state.withLockedValue({ $0.kept }) as? Kept { return kept }
        let made = try await make()
        state.withLockedValue { $0 = State(kept: made, close: { await close(made) }) }
        return made
    }

    func close() async {
        let close = state.withLockedValue { state in
            defer { state = State() }
            return state.close
        }
        await close()
    }
}
