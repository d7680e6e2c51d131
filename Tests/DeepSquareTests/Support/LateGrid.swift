// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import GRDB
import NIOConcurrencyHelpers
import Testing

@testable import DeepSquare
@testable import Ethereum
@testable import JobLifecycle

/// A job of the grid from its claim to its end, on files one of which is late once, or with a Slurm or a service that is. An
/// agent that dies is started again on what was on the disk.
final class LateGrid: @unchecked Sendable {
    enum Story: String, CaseIterable {
        case runs, cancelledInTheQueue, toppedUp
    }

    enum File: String, CaseIterable {
        case grid = "deepsquare.sqlite", chain = "chain.sqlite", ledger = "ledger.sqlite"
    }

    let story: Story
    private let service: LateService
    private let port: Int
    private(set) var stage: GatewayStage
    private let next: TemporaryFolder
    private var disk: LateDisk?
    private var connection: Task<Void, Never>?

    init(
        _ story: Story, _ service: LateService, port: Int, disk fault: (File, LateDisk.Fault, commit: Int)? = nil
    ) async throws {
        self.story = story
        self.service = service
        self.port = port
        next = try TemporaryFolder()
        stage = try await Self.stage(port)
        stage.slurm.state.withLockedValue { $0.users = [customer.hex: 1000] }
        connect()
        guard let fault else { return }
        let (from, to, clock) = (stage.folder.path, next.path, stage.clock)
        let disk = LateDisk(fault.1, commit: fault.commit, passTime: { clock.withLockedValue { $0 += 20 } }) {
            LateDisk.copy("deepsquare.sqlite", "chain.sqlite", "ledger.sqlite", from: from, to: to)
        }
        self.disk = disk
        for file in File.allCases {
            let observer: any TransactionObserver & Sendable = file == fault.0 ? disk : DiskNeighbour(disk)
            try await writer(of: file).writeWithoutTransaction {
                $0.add(transactionObserver: observer, extent: .databaseLifetime)
            }
        }
    }

    private func writer(of file: File) async throws -> any DatabaseWriter {
        switch file {
        case .grid: stage.store.queue
        case .chain: await stage.manager.store.queue
        case .ledger: try #require(stage.ledger.reader as? DatabasePool)
        }
    }

    private static func stage(
        _ port: Int, after before: (folder: TemporaryFolder, slurm: ScriptedSlurm)? = nil
    ) async throws -> GatewayStage {
        try await GatewayStage(after: before) { $0.sbatch = ServiceEndpoint(host: "127.0.0.1", port: port) }
    }

    private func connect() {
        let gateway = stage.gateway
        connection = Task {
            let service = await gateway.sbatch
            try? await service.run()
        }
    }

    func end() async {
        await stage.gateway.sbatch.end()
        connection?.cancel()
        await connection?.value
    }

    var isMet: Bool { disk?.isDone ?? true }

    private func restartIfDead() async throws {
        guard disk?.isDead == true else { return }
        let (clock, slurm) = (stage.clock.withLockedValue { $0 }, stage.slurm)
        await end()
        disk = nil
        stage = try await Self.stage(port, after: (next, slurm))
        stage.clock.withLockedValue { $0 = clock }
        try await stage.gateway.load()
        await stage.gateway.edit { $0.provider.delta = 15 }
        connect()
    }

    private func receipt(_ logs: [ChainLog]) -> TransactionReceipt {
        TransactionReceipt(
            transaction: logs[0].transaction, block: logs[0].block, succeeded: true, gasUsed: 1, gasPrice: nil,
            logs: logs)
    }

    static func log(_ event: ABIEvent, _ data: [UInt8], at contract: Address, block: UInt64) -> ChainLog {
        ChainLog(
            address: contract, topics: [event.topic], data: data,
            block: BlockReference(number: block, hash: hash(block)),
            transaction: hash(block), index: 0)
    }

    static func log(_ event: ABIEvent, _ values: [ABIValue], block: UInt64) throws -> ChainLog {
        log(
            event, Array(try ABIFunction(event.signature).call(values).dropFirst(4)), at: contracts.metaScheduler,
            block: block)
    }

    /// The chain tells each thing until it is in the inbox.
    private func tell(_ round: Int) async throws {
        let data = try #require(Hex.decode(Vectors.claimEventData))
        await stage.feed.offer(
            receipt([Self.log(ContractABI.claimJobEvent, data, at: contracts.metaScheduler, block: 100)]))
        if round >= 7, story == .cancelledInTheQueue {
            await stage.feed.offer(
                receipt([
                    try Self.log(
                        ContractABI.claimCancellingEvent, [.address(customer), .address(provider), .hash(hash(1))],
                        block: 110)
                ]))
        }
        if round >= 9, story == .toppedUp {
            await stage.feed.offer(
                receipt([
                    try Self.log(
                        ContractABI.claimTopUpEvent, [.hash(hash(1)), .address(provider), .uint64(30)], block: 116)
                ]))
        }
    }

    private func seen(_ base: SchedulerState.Base, start: Int64? = nil, end: Int64? = nil) -> JobObservation {
        var details = JobDetails()
        details.userID = 1000
        details.nodes = start == nil ? nil : "n1"
        let now = Int64(stage.clock.withLockedValue { $0 }.timeIntervalSince1970)
        var one = JobObservation(
            source: .controller, time: now * 1_000_000, key: JobKey(7), jobID: 7, submitTime: ClaimStage.epoch + 1,
            restarts: 0, state: SchedulerState(base), startTime: start.map { ClaimStage.epoch + $0 }, details: details)
        one.endTime = end.map { ClaimStage.epoch + $0 }
        one.elapsed = end.flatMap { end in start.map { end - $0 } }
        one.exitStatus = end == nil ? nil : 0
        return one
    }

    /// What the core and Slurm make of the order.
    private func slurm(_ round: Int) async throws {
        let id = await stage.gateway.externalID(key)
        guard let order = try await stage.ledger.order("deepsquare", id, claim: 1) else { return }
        switch order.phase {
        case .accepted: try await stage.ledger.noteAttempt(order.ledgerJob)
        case .attempted: try await stage.ledger.noteSubmitted(order.ledgerJob, jobID: 7, seen: [seen(.pending)])
        case .submitted: try await stage.ledger.noteReleased(order.ledgerJob)
        case .refused: break
        case .released:
            let isCancelled = stage.slurm.state.withLockedValue { !$0.cancelled.isEmpty }
            if isCancelled {
                try await stage.ledger.fold(Ledger.Intake(observations: [seen(.cancelled, end: 60)]))
            } else if story != .cancelledInTheQueue, round >= 7 {
                let one = round >= 16 ? seen(.completed, start: 60, end: 360) : seen(.running, start: 60)
                try await stage.ledger.fold(Ledger.Intake(observations: [one]))
            }
        }
    }

    private var key: DeepSquareGateway.Key {
        get async { DeepSquareGateway.Key(job: Self.job, number: 1) }
    }

    static let job: Hash32 = hash(1)

    /// Reports that are on their way are mined and taken.
    private func mine() async {
        let open = Set(await stage.reports)
        let key = await key
        guard let claim = await stage.gateway.claims[key] else { return }
        for report in [claim.running, claim.final].compactMap({ $0 }) where report.state == .sent {
            guard open.contains(await stage.gateway.intentKey(key, report.attempt)) else { continue }
            let now = ClaimStage.epoch
            await stage.gateway.edit {
                $0.claims[key]?.succeeded(report.kind, block: 200, transaction: hash(200), now: now)
            }
            await stage.gateway.saveOrRetry(key)
            await stage.manager.mined(await stage.gateway.intentKey(key, report.attempt))
        }
    }

    /// Until nothing is under way; of a process that is dead that may be never.
    private func idle() async throws {
        for _ in 0..<20_000 {
            if disk?.isDead == true { return }
            if (try? await stage.isIdle()) == true { return }
            try await Task.sleep(for: .milliseconds(1))
        }
        Issue.record("never idle")
    }

    func play() async throws {
        for round in 0..<30 where !(try await isOver()) {
            try await tell(round)
            await stage.gateway.takeLogs()
            try await restartIfDead()
            for key in await Array(stage.gateway.claims.keys) { await stage.gateway.advance(key) }
            try await idle()
            try await restartIfDead()
            do { try await slurm(round) } catch is LedgerError {}
            try await restartIfDead()
            let outbox = OutboxRunner(ledger: stage.ledger, gateway: stage.gateway, logger: quiet)
            do { while try await outbox.deliverDue() {} } catch {
                guard error is LedgerError || error is GatewayUnavailable else { throw error }
            }
            try await idle()
            try await restartIfDead()
            await mine()
            try await restartIfDead()
            stage.after(30)
        }
    }

    private func isOver() async throws -> Bool {
        guard await stage.gateway.claims.isEmpty else { return false }
        return try await stage.store.claims(ofJob: Self.job).first?.isClosed == true
    }

    func check(_ row: String) async throws {
        let key = await key
        let claims = try await stage.store.claims(ofJob: Self.job)
        #expect(claims.count == 1 && claims.first?.isClosed == true, "\(row)")
        #expect(await stage.gateway.claims.isEmpty, "\(row)")
        let order = try await stage.ledger.order("deepsquare", stage.gateway.externalID(key), claim: 1)
        #expect(order?.phase == .released, "\(row)")
        #expect(try await stage.ledger.counts().jobs == 1, "\(row)")
        // Which of them the contract has taken, each once.
        let calls = try await stage.manager.calls.map { $0.split(separator: ":").last.map(String.init) ?? "" }
        let cancelled = stage.slurm.state.withLockedValue { $0.cancelled }
        switch story {
        case .runs, .toppedUp: #expect(calls == ["Running", "Finished"], "\(row)")
        case .cancelledInTheQueue: #expect(calls == ["Cancelled"], "\(row)")
        }
        #expect(Set(cancelled) == (story == .cancelledInTheQueue ? [7] : []), "\(row)")
        let limits = stage.slurm.state.withLockedValue { $0.limits }
        #expect(Set(limits).count == (story == .toppedUp ? 1 : 0), "\(row): \(limits)")
        #expect(try await stage.ledger.verify() == [], "\(row)")
    }
}

extension TransactionManager {
    /// What was handed over, in that order.
    fileprivate var calls: [String] {
        get async throws { try await store.list().reversed().map { $0.call } }
    }

    /// Such an intent is over, and had its effect.
    fileprivate func mined(_ key: String) async {
        guard let place = machine.queue.firstIndex(where: { $0.intent.key == key }) else { return }
        let receipt = TransactionReceipt(
            transaction: hash(200), block: BlockReference(number: 200, hash: hash(200)), succeeded: true, gasUsed: 1,
            gasPrice: nil, logs: [])
        machine.finish(machine.queue.remove(at: place), nonce: nil, .succeeded(receipt))
        await drive()
    }
}
