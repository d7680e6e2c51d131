// SPDX-License-Identifier: GPL-3.0-or-later

import DeepSquare
import Foundation
import JobLifecycle
import Testing

@testable import Agent
@testable import Slurm
@testable import SlurmAdapter

/// What is stored of a job of the grid becomes the very request that the releases before made of theirs.
@Suite("From a stored submission to Slurm")
struct JobSpecRequestTests {
    /// As releases before wrote it, in the encoding of the Slurm module's type.
    private static func firstForm(gpus: UInt32) -> JobRequest {
        var request = JobRequest(userID: 1000, script: "#!/bin/sh\ntrue\n", name: "0x01")
        request.partition = "main"
        request.tasks = 2
        request.cpusPerTask = 4
        request.memory = .perCPU(1000)
        request.gpusPerJob = gpus > 0 ? .init(gpus) : nil
        request.timeLimit = .minutes(60)
        request.standardOutput = "/tmp/slurm-grid-agent-%j-x.log"
        request.umask = 0o067
        request.comment = "DeepSquare grid"
        return request
    }

    @Test("both forms give the same request", arguments: [0, 3] as [UInt32])
    func forms(_ gpus: UInt32) throws {
        let before = Self.firstForm(gpus: gpus)
        let first = Array(try JSONEncoder().encode(before))
        #expect(JobRequest(try JobSpec(stored: first)) == before)
        let job = GridJobRequest(
            name: "0x01", userID: 1000, script: "#!/bin/sh\ntrue\n", partition: "main", tasks: 2, cpusPerTask: 4,
            memoryPerCPU: 1000, gpus: gpus, timeLimit: 60, output: "/tmp/slurm-grid-agent-%j-x.log",
            comment: "DeepSquare grid")
        let stored = try SlurmGridCluster.stored(job)
        #expect(String(decoding: stored, as: UTF8.self).contains(#""format":2"#))
        #expect(JobRequest(try JobSpec(stored: stored)) == before)
    }

    @Test("account and QOS are the customer's")
    func placement() throws {
        let job = GridJobRequest(
            name: "0x01", userID: 1000, script: "#!/bin/sh\ntrue\n", partition: "main", tasks: 2, cpusPerTask: 4,
            memoryPerCPU: 1000, gpus: 0, timeLimit: 60, output: "/dev/null", account: "grid", qos: "low")
        let request = try SlurmScheduler.request(try SlurmGridCluster.stored(job))
        #expect(request.account == "grid" && request.qos == "low" && request.comment == nil)
    }
}
