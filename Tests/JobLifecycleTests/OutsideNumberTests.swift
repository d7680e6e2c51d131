// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import JobLifecycle

/// What a frame, slurmctld or slurmdbd may say, and no clock or counter shows.
@Suite("Numbers from outside")
struct OutsideNumberTests {
    @Test(
        "lists of array tasks that are none",
        arguments: [
            ":", ":,", "1-:2", ":3", "-", "%", "[", "[:]%2", "1-4294967295:4294967295", "4294967296", "0-5:0", ",", "",
        ])
    func arrayTasks(_ text: String) {
        let tasks = ArrayTasks(text)
        for task in [0, 1, 3, UInt32.max] as [UInt32] { _ = tasks.contains(task) }
        #expect(!ArrayTasks(":").contains(0) && ArrayTasks("0-5:0").contains(3))
    }

    @Test("times that no clock shows", arguments: [Int64.max, .min, 0, -1])
    func absurdTimes(_ time: Int64) async throws {
        let bench = try Bench()
        var pending = seen(.pending)
        pending.submitTime = time
        pending.time = time
        var running = seen(.running)
        running.submitTime = time
        running.time = time
        running.startTime = time
        var ended = seen(.completed)
        ended.submitTime = time
        ended.startTime = Int64.max - max(0, time)
        ended.endTime = time
        ended.elapsed = time
        var later = seen(.running)
        later.submitTime = time == .max ? 5 : time + 1
        later.restarts = 1
        for observation in [pending, running, ended, later] {
            try await bench.ledger.fold(Ledger.Intake(observations: [observation]), force: true)
        }
        // The same as rows of slurmdbd, and of an order's job.
        let order = try await bench.ledger.accept(JobOrder(gateway: "grid", externalID: "0xa", request: [1]))
        try await bench.ledger.noteAttempt(order)
        let tag = try #require(try await bench.ledger.order(ledgerJob: order)).tag
        for (number, tag) in [(UInt32(71), nil), (72, tag)] as [(UInt32, String?)] {
            for var observation in [pending, running, ended, later] {
                observation.source = .accounting
                (observation.key, observation.jobID) = (JobKey(number), number)
                observation.details.adminComment = tag
                try await bench.ledger.fold(Ledger.Intake(observations: [observation]), force: true)
            }
        }
        try await bench.ledger.fold(Ledger.Intake(hints: [JobHint(jobID: 7, reason: .record, time: time)]))
        _ = try await bench.ledger.counts()
    }
}
