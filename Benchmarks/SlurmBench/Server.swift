// SPDX-License-Identifier: GPL-3.0-or-later

internal import Slurm

/// What went wrong with a command.
struct BenchError: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) {
        self.description = description
    }
}

/// Answers the commands that main.swift and ../c/slurm_baseline.c list, with numbers.
struct Server: Sendable {
    private let work: Workload
    private let clock = ContinuousClock()

    init(_ work: Workload) {
        self.work = work
    }

    func answer(_ words: [String]) async throws -> [Int] {
        let numbers = words.dropFirst().compactMap { Int($0) }
        guard let command = words.first, let count = numbers.first, numbers.count == words.count - 1, count > 0 else {
            throw BenchError("wrong command")
        }
        switch (command, numbers.count) {
        case ("submit", 1): return try await submit(count, readBack: false)
        case ("submit-readback", 1): return try await submit(count, readBack: true)
        case ("throughput", 2): return [try await throughput(count, tasks: numbers[1])]
        case ("job", 1): return try await job(count)
        case ("placement", 1): return try await placement(count)
        case ("jobs", 1): return try await jobs(count)
        case ("poll", 1): return try await poll(count)
        case ("change", 1): return try await change()
        case ("gres", 1): return try await gres(count)
        case ("memory", 1): return try await memory(count)
        default: throw BenchError("wrong command")
        }
    }

    private func submit(_ count: Int, readBack: Bool) async throws -> [Int] {
        var times: [Int] = []
        for _ in 0..<count {
            let start = clock.now
            let submission = try await work.controller.submit(work.request(), readBack: readBack)
            times.append(nanoseconds(since: start))
            if readBack && submission.job == nil { throw BenchError("job \(submission.jobID) was not read back") }
        }
        return times
    }

    private func throughput(_ count: Int, tasks: Int) async throws -> Int {
        guard tasks > 0, tasks <= count else { throw BenchError("wrong command") }
        let start = clock.now
        try await withThrowingTaskGroup { group in
            for _ in 0..<tasks {
                group.addTask {
                    for _ in 0..<count / tasks {
                        _ = try await work.controller.submit(work.request(), readBack: false)
                    }
                }
            }
            try await group.waitForAll()
        }
        return nanoseconds(since: start)
    }

    private func job(_ count: Int) async throws -> [Int] {
        let id = try await work.subject()
        var times: [Int] = []
        for _ in 0..<count {
            let start = clock.now
            let job = try await work.controller.job(id)
            times.append(nanoseconds(since: start))
            if job.id != id { throw BenchError("job \(id) was asked for, \(job.id) came") }
        }
        return times
    }

    private func placement(_ count: Int) async throws -> [Int] {
        let id = try await work.subject()
        var times: [Int] = []
        for _ in 0..<count {
            let start = clock.now
            let answer = try await work.controller.jobWithPlacement(id)
            times.append(nanoseconds(since: start))
            if answer.job.id != id { throw BenchError("job \(id) was asked for, \(answer.job.id) came") }
        }
        return times
    }

    /// Every load follows a change, so none is answered from the last snapshot.
    private func jobs(_ count: Int) async throws -> [Int] {
        var times: [Int] = []
        for _ in 0..<count { times.append(try await changeAndLoad().nanoseconds) }
        return times
    }

    private func changeAndLoad() async throws -> (nanoseconds: Int, snapshot: JobSnapshot) {
        let id = try await work.subject()
        let comment = "change swift-\(work.next())"
        try await work.controller.setComment(JobID(id), comment)
        // The change sets off a pass of the scheduler, which holds the job table.
        try await Task.sleep(for: .milliseconds(300))
        let start = clock.now
        let snapshot = try await work.controller.jobs()
        let taken = nanoseconds(since: start)
        if snapshot[id]?.comment != comment { throw BenchError("the change is not in the snapshot") }
        return (taken, snapshot)
    }

    /// As the agent's reconciler reads the list: a job differs, the others are only looked at.
    private func poll(_ count: Int) async throws -> [Int] {
        var marks = Marks()
        if let first = try await work.controller.readJobs(changedSince: nil, into: marks) { marks = first.reader }
        var times: [Int] = []
        for _ in 0..<count {
            _ = try await change()
            try await Task.sleep(for: .milliseconds(1100))
            let start = clock.now
            let answer = try await work.controller.readJobs(changedSince: nil, into: marks)
            times.append(nanoseconds(since: start))
            guard let answer, answer.jobs.jobs(0..<answer.jobs.count).count == 1 else {
                throw BenchError("\(answer?.jobs.count ?? 0) jobs differ, and not the one that was changed")
            }
            marks = answer.reader
        }
        return times
    }

    private struct Marks: JobListReader {
        var digests: [UInt32: UInt64] = [:]

        mutating func wants(_ mark: JobMark) -> Bool {
            digests.updateValue(mark.digest, forKey: mark.id) != mark.digest
        }
    }

    private func change() async throws -> [Int] {
        try await work.controller.setAdminComment(JobID(try await work.subject()), "change=swift-\(work.next())")
        return []
    }

    private func gres(_ count: Int) async throws -> [Int] {
        let jobs = try await work.controller.jobs().jobs
        var times: [Int] = []
        for _ in 0..<count {
            var devices = 0
            let start = clock.now
            for job in jobs {
                for text in job.gresPerNode {
                    guard let list = GRES.list(text) else { throw BenchError("cannot read \(text)") }
                    devices += list.reduce(0) { $0 + ($1.indices?.count ?? 0) }
                }
                for tres in [job.requested.tres, job.allocatedTRES] {
                    devices += Int(clamping: tres?.gpus.values.reduce(0, &+) ?? 0)
                }
            }
            times.append(nanoseconds(since: start))
            if devices == 0 { throw BenchError("the queue holds no GPUs") }
        }
        return times
    }

    /// KiB held after the first load and after the last one, and the most there was.
    private func memory(_ count: Int) async throws -> [Int] {
        let sampler = MemorySampler()
        var snapshot = try await changeAndLoad().snapshot
        let first = try Memory.read().anonymous
        for _ in 1..<max(2, count) { snapshot = try await changeAndLoad().snapshot }
        let steady = try Memory.read().anonymous
        let peak = sampler.stop()
        if snapshot.jobs.isEmpty { throw BenchError("the queue is empty") }
        return [first, steady, peak, try Memory.read().highWater]
    }

    private func nanoseconds(since start: ContinuousClock.Instant) -> Int {
        let (seconds, attoseconds) = start.duration(to: clock.now).components
        return Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000)
    }
}
