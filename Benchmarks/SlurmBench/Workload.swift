// SPDX-License-Identifier: GPL-3.0-or-later

internal import Slurm
internal import Synchronization

/// The jobs that both sides submit: field for field those of `submit()` in ../c/slurm_baseline.c.
final class Workload: Sendable {
    let controller: SlurmController
    private let owner: UserAccount
    private let serial = Mutex(0)
    private let held = Mutex<UInt32?>(nil)

    init(controller: SlurmController, owner: UserAccount) {
        self.controller = controller
        self.owner = owner
    }

    /// A counter of its own for every job and every change.
    func next() -> Int {
        serial.withLock { serial in
            defer { serial += 1 }
            return serial
        }
    }

    func request() -> JobRequest {
        let number = next()
        let name = "bench-swift-\(number)"
        var request = JobRequest(userID: owner.userID, script: Self.script, name: name)
        request.comment = "benchmark job \(number)"
        request.adminComment = "grid=bench,offer=swift-\(number)"
        request.environment = ["GRID_JOB": "swift-\(number)", "GRID_SITE": "bench"]
        request.workDirectory = owner.home
        request.standardOutput = "\(owner.home)/\(name).out"
        request.standardError = "\(owner.home)/\(name).err"
        request.partition = "main"
        request.account = "grid"
        request.tasks = 1
        request.cpusPerTask = 1
        request.memory = .perNode(100)
        request.gpusPerNode = .init(1)
        request.timeLimit = .minutes(60)
        request.hold = true
        return request
    }

    /// A held job of this process's own, to load and to change.
    func subject() async throws -> UInt32 {
        if let id = held.withLock({ $0 }) { return id }
        let id = try await controller.submit(request(), readBack: false).jobID
        held.withLock { $0 = id }
        return id
    }

    private static let script = """
        #!/bin/bash
        # Stands for a job of a grid: a few lines of shell around one program.
        set -eu
        exec sleep 3600

        """
}
