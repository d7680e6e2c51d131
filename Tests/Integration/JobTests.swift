// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Slurm
import Testing

/// A job's life through libslurm, on a cluster without slurmdbd.
@Suite("Jobs", .serialized, .enabled(if: Lab.runs("Plain")))
struct JobTests {
    @Test("runs as the daemon does: user slurm, not root")
    func notRoot() async throws {
        let cluster = try await Lab.connect().cluster()
        #expect(geteuid() == cluster.slurmUserID)
        #expect(geteuid() != 0)
        #expect(!cluster.hasAccounting)
    }

    @Test("a job of every exit: state, exit code, times")
    func exits() async throws {
        let controller = try await Lab.connect()
        let endings: [(String, JobState.Base, UInt8, UInt8)] = [
            ("true", .completed, 0, 0), ("exit 3", .failed, 3, 0), ("kill -9 $$", .failed, 0, 9),
        ]
        for (body, state, code, signal) in endings {
            let before = Date()
            let submission = try await controller.submit(try Lab.request(body))
            #expect(submission.job?.id == submission.jobID)
            let job = try await controller.ended(submission.jobID)
            #expect(job.state.base == state)
            #expect(job.exit.code == code)
            #expect(job.exit.signal == signal)
            let (submit, start, end) = (
                try #require(job.submitTime), try #require(job.startTime), try #require(job.endTime)
            )
            #expect(submit.timeIntervalSince(before) > -2)
            #expect(submit <= start && start <= end)
        }
    }

    @Test("asked for is got: four tasks of two CPUs are eight CPUs")
    func resources() async throws {
        let controller = try await Lab.connect()
        var request = try Lab.request("sleep 30")
        request.tasks = 4
        request.cpusPerTask = 2
        request.memory = .perCPU(50)
        request.timeLimit = .minutes(7)
        request.comment = "für uns"
        request.adminComment = "tag-1,other"
        let id = try await controller.submit(request).jobID
        let job = try await controller.running(id)
        #expect(job.allocatedTRES?.cpus == 8)
        #expect(job.allocatedTRES?.memory == 400)
        #expect(job.requested.tasks == 4)
        #expect(job.requested.cpusPerTask == 2)
        #expect(job.timeLimit == .minutes(7))
        #expect(job.comment == "für uns")
        #expect(job.adminComment == "tag-1,other")
        #expect(!job.requeue)
        #expect(try await controller.findJobs(tag: "tag-1").map(\.id) == [id])
        #expect(try await controller.findJobs(tag: "tag").isEmpty)
        try await controller.cancel(JobID(id))
        #expect(try await controller.ended(id).state.base == .cancelled)
    }

    @Test("held, released, limits moved, comments, suspended and resumed, requeued, cancelled")
    func control() async throws {
        let controller = try await Lab.connect()
        var request = try Lab.request("sleep 60", name: "control")
        request.hold = true
        request.requeue = true
        let id = try await controller.submit(request).jobID
        let job = JobID(id)
        #expect(try await controller.job(id).isHeld)
        // Pending: signals other than KILL do not go, suspending neither.
        #expect(try await failing(with: .wrongState) { try await controller.signal(job, SIGTERM) }.error.number == 2020)
        _ = try await failing(with: .wrongState) { try await controller.suspend(job) }
        try await controller.setTimeLimit(job, .minutes(30))
        try await controller.setComment(job, "a comment")
        try await controller.setAdminComment(job, "token")
        try await controller.release(job)
        var now = try await controller.running(id)
        #expect(now.timeLimit == .minutes(30))
        #expect(now.comment == "a comment" && now.adminComment == "token")
        #expect(try await controller.extendTimeLimit(id, by: 15) == 45)
        #expect(try await controller.job(id).timeLimit == .minutes(45))
        try await controller.suspend(job)
        #expect(try await controller.job(id).state.base == .suspended)
        try await controller.resume(job)
        try await controller.running(id)
        try await controller.requeue(job)
        now = try await controller.job(id)
        #expect(now.restartCount == 1)
        #expect(!now.state.hasEnded)
        try await controller.hold(job)
        try await controller.cancel(job)
        #expect(try await controller.ended(id).state.base == .cancelled)
        _ = try await failing(with: .alreadyEnded) { try await controller.cancel(job) }
        _ = try await failing(with: .alreadyEnded) { try await controller.setTimeLimit(job, .minutes(50)) }
    }

    @Test("a signal reaches the batch script, a message its output")
    func signalAndNotify() async throws {
        let controller = try await Lab.connect()
        let output = "/tmp/notify-\(UUID().uuidString).out"
        var request = try Lab.request("trap 'echo got it; exit 7' USR1\necho ready\nwhile :; do sleep 0.1; done")
        request.standardOutput = output
        let id = try await controller.submit(request).jobID
        try await controller.running(id)
        try await eventually("the trap is set") {
            (try? String(contentsOfFile: output, encoding: .utf8))?.contains("ready") ?? false
        }
        try await controller.notify(id, "hello from the head node")
        try await controller.signal(JobID(id), SIGUSR1, to: .batchScript)
        let job = try await controller.ended(id)
        #expect(job.exit.code == 7)
        let text = try String(contentsOfFile: output, encoding: .utf8)
        #expect(text.contains("got it"))
        #expect(text.contains("hello from the head node"))
        try await Lab.run(as: "labu1", "rm -f \(output)")
    }

    @Test("steps can be ended one by one")
    func steps() async throws {
        let controller = try await Lab.connect()
        let id = try await controller.submit(try Lab.request("srun sleep 100\nexit 5")).jobID
        try await controller.running(id)
        try await eventually("the step is there") {
            do {
                try await controller.cancelStep(0, of: id)
                return true
            } catch let error as SlurmError
                where [.notFound, .unexpected, .wrongState, .alreadyEnded].contains(error.code)
            {
                return false
            }
        }
        #expect(try await controller.ended(id).exit.code == 5)
    }

    @Test("an array: one record for the pending ones, tasks by name")
    func arrays() async throws {
        let controller = try await Lab.connect()
        var request = try Lab.request("sleep 60")
        request.array = "0-5%2"
        request.hold = true
        let id = try await controller.submit(request).jobID
        let record = try await controller.job(id)
        #expect(record.array?.jobID == id)
        #expect(record.array?.pendingTasks == "0-5%2")
        #expect(record.array?.maximumRunning == 2)
        try await controller.cancel(JobID(id, .arrayTask(3)))
        // A pending task has no record of its own: it just leaves the list.
        #expect(try await controller.job(id).array?.pendingTasks == "0-2,4-5%2")
        try await controller.release(JobID(id))
        try await eventually("two tasks run") {
            try await controller.jobs(of: id).count { $0.state.base == .running } == 2
        }
        let running = try #require(try await controller.jobs(of: id).first { $0.state.base == .running })
        #expect(running.displayID == JobID(id, .arrayTask(try #require(running.array?.taskID))))
        try await controller.cancel(JobID(id))
        try await eventually("all have ended") { try await controller.jobs(of: id).allSatisfy(\.state.hasEnded) }
    }

    @Test("by name and user: only that user's jobs of exactly that name")
    func cancelByName() async throws {
        let controller = try await Lab.connect()
        var ids: [String: UInt32] = [:]
        for (key, user, name) in [
            ("mine", "labu1", "batch"), ("other", "labu2", "batch"), ("longer", "labu1", "batch2"),
        ] {
            var request = try Lab.request(user: user, name: name)
            request.hold = true
            ids[key] = try await controller.submit(request).jobID
        }
        #expect(try await controller.findJobs(name: "batch").count == 2)
        let ended = try await controller.cancel(name: "batch", userID: try Lab.user("labu1").userID)
        #expect(ended == [ids["mine"]])
        for key in ["other", "longer"] {
            let id = try #require(ids[key])
            #expect(try await controller.job(id).state.base == .pending)
            try await controller.cancel(JobID(id))
        }
    }

    @Test("what slurmctld does not know is notFound, by its own word")
    func unknown() async throws {
        let controller = try await Lab.connect()
        let id: UInt32 = 4_000_000
        _ = try await failing(with: .notFound) { _ = try await controller.job(id) }
        _ = try await failing(with: .notFound) { try await controller.cancel(JobID(id)) }
        _ = try await failing(with: .notFound) { try await controller.setComment(JobID(id), "x") }
        _ = try await failing(with: .notFound) { try await controller.suspend(JobID(id)) }
        _ = try await failing(with: .notFound) { try await controller.resume(JobID(id)) }
        _ = try await failing(with: .notFound) { try await controller.requeue(JobID(id)) }
        _ = try await failing(with: .notFound) { _ = try await controller.batchScript(id) }
    }

    @Test("the script comes back byte for byte")
    func script() async throws {
        let controller = try await Lab.connect()
        var request = try Lab.request("printf '%s\\n' \"äöü $HOME \\\"quoted\\\"\" # 中文\n\n")
        request.hold = true
        let id = try await controller.submit(request).jobID
        #expect(try await controller.batchScript(id) == request.script)
        try await controller.cancel(JobID(id))
    }

    @Test("heterogeneous job: components with their own numbers")
    func heterogeneous() async throws {
        let controller = try await Lab.connect()
        let reply = try await Lab.run(
            as: "labu1",
            "printf '#!/bin/bash\\nsleep 60\\n' >het.sh; sbatch --parsable -H -n1 -o /dev/null : -n2 het.sh")
        let id = try #require(UInt32(reply.output.trimmingCharacters(in: .whitespacesAndNewlines)))
        let components = try await controller.jobs(of: id)
        #expect(components.count == 2)
        #expect(components.map(\.displayID) == [JobID(id, .hetComponent(0)), JobID(id, .hetComponent(1))])
        #expect(components.allSatisfy { $0.heterogeneous?.leaderID == id })
        try await controller.cancel(JobID(id))
    }

    @Test("one snapshot for everybody, the same one while nothing changes")
    func snapshots() async throws {
        let controller = try await Lab.connect()
        var request = try Lab.request()
        request.hold = true
        let id = try await controller.submit(request).jobID
        #expect(try await controller.jobs()[id]?.id == id)
        // What earlier tests ended still changes while its nodes clean up, and slurmctld dates changes by
        // whole seconds: two looks in a row must agree once nothing moves any more.
        var first = try await controller.jobs()
        var isSame = false
        for _ in 0..<60 where !isSame {
            try await Task.sleep(for: .seconds(0.5))
            let second = try await controller.jobs()
            isSame = first === second
            first = second
        }
        #expect(isSame)
        try await controller.setComment(JobID(id), "changed")
        #expect(try await controller.jobs()[id]?.comment == "changed")
        try await controller.cancel(JobID(id))
    }
}
