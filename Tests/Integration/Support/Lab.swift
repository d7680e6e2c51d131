// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Slurm
import Synchronization

/// The live cluster that `lab/with-slurm.sh` started around this process, and its control loop.
enum Lab {
    /// Which suite this run is for (`LAB_SUITE`): libslurm serves one cluster a process, so each has a process.
    static func runs(_ suite: String) -> Bool { environment("LAB_SUITE") == suite }

    static func environment(_ name: String) -> String? {
        ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// The built slurm-grid-agent, which is also the helper program.
    static var binary: String { environment("SLURM_GRID_AGENT") ?? "slurm-grid-agent" }

    static var folder: String { environment("LAB") ?? "" }

    static var configurationFile: String { environment("SLURM_CONF") ?? "" }

    static func configuration(timeout: Duration = .seconds(15)) -> SlurmController.Configuration {
        var configuration = SlurmController.Configuration()
        configuration.configurationFile = configurationFile
        configuration.callTimeout = timeout
        configuration.helper = SlurmHelper.Program(path: binary)
        return configuration
    }

    static func connect(timeout: Duration = .seconds(15)) async throws -> SlurmController {
        try await SlurmController.connect(configuration(timeout: timeout))
    }

    static var accounting: SlurmAccounting {
        SlurmAccounting(configurationFile: configurationFile, helper: SlurmHelper.Program(path: binary))
    }

    static func user(_ name: String) throws -> UserAccount {
        guard let account = try UserAccount.find(name: name) else { throw LabError("no user \(name)") }
        return account
    }

    /// A small job of a lab user, writing to nowhere.
    static func request(
        _ body: String = "true", user: String = "labu1", name: String = "test"
    ) throws -> JobRequest {
        var request = JobRequest(userID: try Lab.user(user).userID, script: "#!/bin/bash\n\(body)\n", name: name)
        request.standardOutput = "/dev/null"
        return request
    }

    // MARK: control loop

    struct Reply: Sendable {
        var status: Int32
        var output: String
        var errors: String
    }

    private static let counter = Mutex(UInt64(getpid()) * 1_000_000)

    /// Asks the lab (root) for something: `kill slurmctld`, `pause munged`, …
    @discardableResult
    static func ask(_ words: String, expecting status: Int32? = 0) async throws -> Reply {
        guard let control = environment("LAB_CONTROL") else { throw LabError("LAB_CONTROL is not set") }
        let id = counter.withLock { counter in
            counter += 1
            return counter
        }
        let pipe = open("\(control)/request", O_WRONLY | O_CLOEXEC)
        guard pipe >= 0 else { throw LabError("cannot open \(control)/request: \(String(cString: strerror(errno)))") }
        defer { close(pipe) }
        let line = "\(id) \(words)\n"
        guard line.utf8.count == write(pipe, line, line.utf8.count) else { throw LabError("cannot write the request") }
        let folder = "\(control)/reply.\(id)"
        for _ in 0..<15_000 {
            if access("\(folder)/rc", R_OK) == 0 {
                func text(_ name: String) throws -> String {
                    try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
                }
                let reply = Reply(
                    status: Int32(try text("rc").trimmingCharacters(in: .whitespacesAndNewlines)) ?? -1,
                    output: try text("stdout"), errors: try text("stderr"))
                if let status, reply.status != status {
                    throw LabError("\(words): status \(reply.status): \(reply.output)\(reply.errors)")
                }
                return reply
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw LabError("\(words): no reply from the lab in five minutes")
    }

    /// Resumes and starts whatever is paused or stopped.
    static func mendAll() async throws {
        let daemons = ["munged", "slurmctld"] + (environment("LAB_DBD") == "1" ? ["slurmdbd"] : [])
        for daemon in daemons {
            switch try await ask("status \(daemon)", expecting: nil).status {
            case 4: try await ask("resume \(daemon)")
            case 3: try await ask("start \(daemon)")
            default: break
            }
        }
    }

    /// Runs a script as a lab user or root, in that user's home, with the lab's environment.
    @discardableResult
    static func run(as user: String, _ script: String, expecting status: Int32? = 0) async throws -> Reply {
        let name = "script.\(UUID().uuidString)"
        guard let control = environment("LAB_CONTROL") else { throw LabError("LAB_CONTROL is not set") }
        let path = "\(control)/\(name)"
        try "#!/bin/bash\n\(script)\n".write(toFile: path, atomically: true, encoding: .utf8)
        defer { unlink(path) }
        return try await ask("run-as \(user) \(name)", expecting: status)
    }

    /// Adds lines to slurm.conf and restarts slurmctld.
    static func reconfigure(_ lines: String) async throws {
        let name = "conf.\(UUID().uuidString)"
        guard let control = environment("LAB_CONTROL") else { throw LabError("LAB_CONTROL is not set") }
        let path = "\(control)/\(name)"
        try (lines + "\n").write(toFile: path, atomically: true, encoding: .utf8)
        defer { unlink(path) }
        try await ask("reconfigure \(name)")
    }
}

struct LabError: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) {
        self.description = description
    }
}

/// Looks again and again until the condition holds. The limit was set on a quiet machine, and counts three times: only a
/// failure takes longer.
func eventually(
    within limit: Duration = .seconds(30), _ what: String, _ condition: () async throws -> Bool
) async throws {
    let start = ContinuousClock.now
    let patience = limit * 3
    while start.duration(to: .now) < patience {
        if try await condition() { return }
        try await Task.sleep(for: .milliseconds(50))
    }
    throw LabError("not within \(patience): \(what)")
}

extension SlurmController {
    /// The job once it has ended.
    func ended(_ id: UInt32, within limit: Duration = .seconds(60)) async throws -> Job {
        var job = try await job(id)
        try await eventually(within: limit, "end of job \(id), last seen \(job.state)") {
            job = try await self.job(id)
            return job.state.hasEnded
        }
        return job
    }

    /// The job once it runs.
    @discardableResult
    func running(_ id: UInt32, within limit: Duration = .seconds(60)) async throws -> Job {
        var job = try await job(id)
        try await eventually(within: limit, "start of job \(id), last seen \(job.state) \(job.reason)") {
            job = try await self.job(id)
            return job.state.base == .running && job.state.flags.isEmpty
        }
        return job
    }
}

/// Runs `body`, which must fail with this kind of error; returns it and how long it took.
func failing(
    with code: SlurmError.Code, _ body: () async throws -> Void
) async throws -> (error: SlurmError, took: Duration) {
    let start = ContinuousClock.now
    do {
        try await body()
    } catch let error as SlurmError {
        guard error.code == code else { throw LabError("expected \(code), got \(error.code): \(error)") }
        return (error, start.duration(to: .now))
    }
    throw LabError("expected \(code), but it succeeded")
}
