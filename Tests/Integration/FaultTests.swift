// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Slurm
import Testing

/// What Slurm's daemons and their failures do to a caller: a typed error in a bounded time, and a process that lives.
///
/// The bounds are those that callers rely on (deadline, gate), with room for a busy machine; not performance figures.
@Suite("Faults", .serialized, .enabled(if: Lab.runs("Faults")))
struct FaultTests {
    /// What an earlier test may have left.
    init() async throws {
        try await Lab.mendAll()
    }

    @Test("slurmctld down: unavailable at once, thanks to the ping")
    func controllerDown() async throws {
        let controller = try await Lab.connect()
        let id = try await controller.submit(held()).jobID
        try await Lab.ask("stop slurmctld")
        // The last good answer is fresh, so one call may go through to the dead daemon: wait until it is not.
        try await Task.sleep(for: .milliseconds(1100))
        for call in calls(controller, id) {
            let (error, took) = try await failing(with: .unavailable, call)
            #expect(error.number == 1800 || error.number == 111)
            #expect(took < .seconds(6))
            #expect(!error.mayHaveHappened)
        }
        try await Lab.ask("start slurmctld")
        #expect(try await controller.job(id).id == id)
        controller.close()
    }

    @Test("slurmctld dies between calls: the next call waits libslurm's retries out, within the deadline")
    func controllerKilledBetweenCalls() async throws {
        let controller = try await Lab.connect(timeout: .seconds(12))
        try await controller.ping()
        try await Lab.ask("kill slurmctld")
        let (_, took) = try await failing(with: .unavailable) { _ = try await controller.jobs() }
        #expect(took < .seconds(12))
        try await Lab.ask("start slurmctld")
        _ = try await controller.jobs()
        controller.close()
    }

    @Test("slurmctld hung: libslurm's own time-out when the deadline allows it, else ours")
    func controllerHung() async throws {
        let patient = try await Lab.connect(timeout: .seconds(15))
        let hasty = try await Lab.connect(timeout: .seconds(1))
        let id = try await patient.submit(held()).jobID
        try await Lab.ask("pause slurmctld")
        async let slow = failing(with: .unavailable) { _ = try await patient.job(id) }
        let (error, took) = try await failing(with: .timedOut) { _ = try await hasty.job(id) }
        #expect(took < .seconds(6))
        #expect(!error.mayHaveHappened)
        // A submission that got no answer may have been made.
        let (submitted, _) = try await failing(with: .timedOut) { _ = try await hasty.submit(held(), readBack: false) }
        #expect(submitted.mayHaveHappened || submitted.call == "slurm_load_ctl_conf")
        let (own, ownTook) = try await slow
        #expect(own.number == 5004 || own.number == 1802)
        #expect(ownTook < .seconds(15))
        #expect(hasty.stuckThreads > 0)
        try await Lab.ask("resume slurmctld")
        try await eventually("threads come back") { hasty.stuckThreads == 0 }
        #expect(try await hasty.job(id).id == id)
        patient.close()
        hasty.close()
    }

    @Test("slurmctld restarted between calls: the next call is answered")
    func controllerRestarted() async throws {
        let controller = try await Lab.connect()
        let id = try await controller.submit(held()).jobID
        try await Lab.ask("restart slurmctld")
        #expect(try await controller.job(id).state.base == .pending)
        controller.close()
    }

    @Test("munged gone: an authentication error")
    func mungeDown() async throws {
        let controller = try await Lab.connect()
        let id = try await controller.submit(held()).jobID
        try await Lab.ask("stop munged")
        for call in calls(controller, id) {
            let (error, took) = try await failing(with: .authentication, call)
            #expect(error.number == 1007)
            #expect(error.message.contains("munged"))
            #expect(took < .seconds(10))
        }
        try await Lab.ask("start munged")
        #expect(try await controller.job(id).id == id)
        controller.close()
    }

    @Test("munged hung, where libslurm blocks for ever: our deadline, stuck threads, recovery")
    func mungeHung() async throws {
        var configuration = Lab.configuration(timeout: .seconds(1))
        configuration.threads = 4
        configuration.exhaustedAfter = .seconds(2)
        let (exhausted, report) = AsyncStream<Duration>.makeStream()
        configuration.onExhausted = { report.yield($0) }
        let controller = try await SlurmController.connect(configuration)
        let id = try await controller.submit(held()).jobID
        try await Lab.ask("pause munged")
        try await Task.sleep(for: .milliseconds(1100))
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<6 {
                group.addTask {
                    await #expect(throws: SlurmError.self) { try await controller.job(id) }
                }
            }
        }
        #expect(controller.stuckThreads == 4)
        let (error, _) = try await failing(with: .timedOut) { try await controller.ping() }
        #expect(error.message.contains("stuck"))
        // Every thread is stuck: the process is told, so that it can log it and start afresh.
        var reports = exhausted.makeAsyncIterator()
        let lasted = await reports.next()
        #expect(try #require(lasted) >= .seconds(2))
        try await Lab.ask("resume munged")
        try await eventually("threads come back") { controller.stuckThreads == 0 }
        #expect(try await controller.job(id).id == id)
        controller.close()
    }

    @Test("slurm.conf missing, empty or wrong: a configuration error in a living process")
    func configuration() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("conf-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let cases: [(String, String?)] = [
            ("missing.conf", nil), ("empty.conf", ""), ("unknown.conf", "NoSuchKey=1\n"),
            ("nameless.conf", "SlurmctldHost=localhost\n"),
        ]
        for (name, text) in cases {
            let path = folder.appendingPathComponent(name).path
            try text?.write(toFile: path, atomically: true, encoding: .utf8)
            var configuration = Lab.configuration()
            configuration.configurationFile = path
            let (error, took) = try await failing(with: .configuration) {
                _ = try await SlurmController.connect(configuration)
            }
            #expect(error.message.contains(path))
            #expect(took < .seconds(11))
        }
    }

    @Test("no slurm.conf anywhere: a configuration error")
    func noConfigurationSource() async throws {
        // The agent as a child with an environment that names no slurm.conf, where the machine has none either.
        guard access("/etc/slurm/slurm.conf", F_OK) != 0 else { return }
        let result = try await Lab.run(as: "labu1", "env -u SLURM_CONF \(Lab.binary) jobs", expecting: 78)
        #expect(result.errors.contains("slurm.conf"))
    }

    @Test("a second slurm.conf in one process is refused")
    func oneClusterAProcess() async throws {
        let other = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).conf").path
        try FileManager.default.copyItem(atPath: Lab.configurationFile, toPath: other)
        defer { unlink(other) }
        _ = try await Lab.connect()
        var configuration = Lab.configuration()
        configuration.configurationFile = other
        let (error, _) = try await failing(with: .configuration) {
            _ = try await SlurmController.connect(configuration)
        }
        #expect(error.message.contains("one process"))
    }

    @Test("a client that cannot run the helper says so")
    func noHelper() async throws {
        var configuration = Lab.configuration()
        configuration.helper = SlurmHelper.Program(path: "/nonexistent/slurm-grid-agent")
        _ = try await failing(with: .helperFailed) { _ = try await SlurmController.connect(configuration) }
    }

    private func held() throws -> JobRequest {
        var request = try Lab.request()
        request.hold = true
        return request
    }

    /// One call of each kind.
    private func calls(_ controller: SlurmController, _ id: UInt32) -> [() async throws -> Void] {
        [
            { try await controller.ping() },
            { _ = try await controller.jobs() },
            { _ = try await controller.job(id) },
            { _ = try await controller.partitions() },
            { _ = try await controller.nodes() },
            { _ = try await controller.submit(held(), readBack: false) },
            { try await controller.cancel(JobID(id)) },
            { try await controller.setComment(JobID(id), "x") },
            { try await controller.suspend(JobID(id)) },
            { try await controller.notify(id, "x") },
        ]
    }
}
