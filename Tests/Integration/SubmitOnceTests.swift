// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import JobLifecycle
import Logging
import NIOConcurrencyHelpers
import Slurm
import Testing

@testable import Agent
@testable import SlurmAdapter

/// A real slurmctld whose answers get lost.
private struct Lossy: Scheduler {
    let real: SlurmScheduler
    /// Loses every answer while it is set: what was asked has taken effect.
    let loses: NIOLockedValueBox<Bool>

    private func answer<Answer>(_ value: Answer) throws(SchedulerError) -> Answer {
        if loses.withLockedValue({ $0 }) {
            throw SchedulerError(.unavailable, "the answer is lost", mayHaveHappened: true)
        }
        return value
    }

    func accounting(tagged tag: String, since time: Int64) async throws(SchedulerError) -> [JobObservation] {
        try await real.accounting(tagged: tag, since: time)
    }

    func submitHeld(_ request: [UInt8], tag: String) async throws(SchedulerError) -> UInt32 {
        try answer(try await real.submitHeld(request, tag: tag))
    }

    func release(_ jobID: UInt32, adminComment: String?) async throws(SchedulerError) {
        try answer(try await real.release(jobID, adminComment: adminComment))
    }

    func jobs(changedSince memory: JobListMemory) async throws(SchedulerError) -> JobList? {
        try await real.jobs(changedSince: memory)
    }
    func look(at jobID: UInt32) async throws(SchedulerError) -> [JobObservation] { try await real.look(at: jobID) }
    func accounting(of jobIDs: [UInt32]) async throws(SchedulerError) -> [JobObservation] {
        try await real.accounting(of: jobIDs)
    }
    func accounting(endedIn window: ClosedRange<Int64>) async throws(SchedulerError) -> [JobObservation] {
        try await real.accounting(endedIn: window)
    }
    func settle() async throws(SchedulerError) { try await real.settle() }
    func cancel(_ jobID: UInt32) async throws(SchedulerError) { try await real.cancel(jobID) }
    func setTimeLimit(_ jobID: UInt32, minutes: UInt64) async throws(SchedulerError) {
        try await real.setTimeLimit(jobID, minutes: minutes)
    }
    func setTag(_ tag: String, of jobID: UInt32, beside adminComment: String?) async throws(SchedulerError) {
        try await real.setTag(tag, of: jobID, beside: adminComment)
    }
    func jobs(of request: [UInt8], tag: String) async throws(SchedulerError) -> [JobObservation] {
        try await real.jobs(of: request, tag: tag)
    }
    func timing() async throws(SchedulerError) -> SchedulerTiming { try await real.timing() }
}

@Suite("Each order is one job", .serialized, .enabled(if: Lab.runs("Plain")))
struct SubmitOnceTests {
    private static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// A submitter over a ledger that is opened again, as after a crash, for some seconds.
    private func run(_ path: String, _ scheduler: any Scheduler, for time: Duration) async throws {
        let ledger = try Ledger(path: path, cluster: "lab")
        let service = Submitter(ledger: ledger, scheduler: scheduler, logger: Self.quiet)
        let running = Task { try await service.run() }
        try await Task.sleep(for: time)
        running.cancel()
        try? await running.value
        ledger.close()
    }

    /// Runs it again until every order is as it should be, or that is not to be expected any more.
    private func run(
        _ path: String, _ scheduler: any Scheduler, for time: Duration, until ids: [String],
        _ isSo: (OrderRecord) -> Bool
    ) async throws {
        for _ in 0..<10 {
            try await run(path, scheduler, for: time)
            let ledger = try Ledger(path: path, cluster: "lab")
            defer { ledger.close() }
            var count = 0
            for id in ids {
                if let order = try await ledger.order("test", id, claim: 1), isSo(order) { count += 1 }
            }
            if count == ids.count { return }
        }
    }

    @Test("every answer is lost, the agent dies again and again: one job each, let go in the end")
    func once() async throws {
        let folder = NSTemporaryDirectory() + "once-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/ledger.sqlite"
        let controller = try await Lab.connect()
        let real = SlurmScheduler(controller: controller, accounting: Lab.accounting)
        let scheduler = Lossy(real: real, loses: NIOLockedValueBox(true))

        var ids: [String] = []
        let ledger = try Ledger(path: path, cluster: "lab")
        for number in 0..<5 {
            let request = Array(try JSONEncoder().encode(try Lab.request("sleep 0.\(number)", name: "once")))
            let order = JobOrder(gateway: "test", externalID: "\(number)", request: request)
            try await ledger.accept(order)
            try await ledger.accept(order)
            ids.append("\(number)")
        }
        ledger.close()

        for _ in 0..<4 { try await run(path, scheduler, for: .milliseconds(700)) }
        scheduler.loses.withLockedValue { $0 = false }
        try await run(path, scheduler, for: .seconds(6), until: ids) { $0.phase == .released }

        let after = try Ledger(path: path, cluster: "lab")
        defer { after.close() }
        let jobs = try await controller.jobs().jobs.filter { $0.name == "once" }
        #expect(jobs.count == ids.count, "\(jobs.map(\.id))")
        for id in ids {
            let order = try #require(try await after.order("test", id, claim: 1))
            #expect(order.phase == .released)
            let tagged = try await real.jobs(of: order.order.request, tag: order.tag)
            #expect(tagged.map(\.jobID) == [order.jobID].compactMap { $0 })
        }
        #expect(jobs.allSatisfy { !$0.isHeld }, "all were let go")
    }

    @Test("an order that an older agent took for root, its own user or SlurmUser becomes no job")
    func systemUsers() async throws {
        let path = NSTemporaryDirectory() + "users-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let controller = try await Lab.connect()
        let users = [0, getuid(), try await controller.cluster().slurmUserID]
        let ledger = try Ledger(path: path + "/ledger.sqlite", cluster: "lab")
        for (number, user) in users.enumerated() {
            var request = try Lab.request("true", name: "system-\(number)")
            request.userID = user
            try await ledger.accept(
                JobOrder(gateway: "test", externalID: "\(number)", request: Array(try JSONEncoder().encode(request))))
        }
        ledger.close()
        try await run(
            path + "/ledger.sqlite", SlurmScheduler(controller: controller, accounting: Lab.accounting),
            for: .seconds(2), until: users.indices.map { "\($0)" }
        ) { $0.phase == .refused }
        let after = try Ledger(path: path + "/ledger.sqlite", cluster: "lab")
        defer { after.close() }
        for number in users.indices {
            #expect(try await after.order("test", "\(number)", claim: 1)?.phase == .refused, "uid \(users[number])")
            #expect(try await after.order("test", "\(number)", claim: 1)?.jobID == nil)
        }
        #expect(try await controller.jobs().jobs.allSatisfy { !$0.name.hasPrefix("system-") })
    }
}
