// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Slurm
import Synchronization
import Testing

/// Jobs are submitted while daemons stop, hang and come back: each request makes exactly one job, and no answer is
/// never taken for "the job is gone". `make soak` prints the verdict.
@Suite("Soak", .serialized, .enabled(if: Lab.runs("Soak")))
struct SoakTests {
    private static let seconds = Lab.environment("SOAK_SECONDS").flatMap(Int.init) ?? 60
    private static let submitters = 4

    private struct Counts: Sendable {
        var submitted: [String: UInt32] = [:]
        var faults = 0
        var errors = 0
        var adopted = 0
        var wrong: [String] = []
    }

    private final class Tally: Sendable {
        private let counts = Mutex(Counts())

        func withLock<Result: Sendable>(_ body: (inout Counts) -> Result) -> Result {
            counts.withLock { body(&$0) }
        }
    }

    @Test("submissions under faults: none lost, none doubled, none wrongly gone")
    func submissions() async throws {
        let controller = try await Lab.connect(timeout: .seconds(2))
        let counts = Tally()
        let end = ContinuousClock.now + .seconds(Self.seconds)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await Self.breakThings(until: end, counts) }
            for index in 0..<Self.submitters {
                group.addTask { await Self.submitJobs(controller, index, until: end, counts) }
            }
            group.addTask { await Self.watchJobs(controller, until: end, counts) }
        }
        try await Lab.mendAll()
        let final = counts.withLock { $0 }
        // What slurmctld itself holds, by tag.
        var found: [String: Int] = [:]
        for job in try await controller.jobs().jobs { found[job.adminComment ?? "", default: 0] += 1 }
        let lost = final.submitted.keys.count { found[$0] == nil }
        let duplicated = found.values.count { $0 > 1 }
        print(
            """
            SOAK {"jobs":\(final.submitted.count),"faults":\(final.faults),"errors_seen":\(final.errors),\
            "adopted":\(final.adopted),"lost":\(lost),"duplicated":\(duplicated),"wrong":\(final.wrong.count)}
            """)
        for line in final.wrong.prefix(10) { print("soak: \(line)") }
        #expect(final.faults > 0 && !final.submitted.isEmpty)
        #expect(lost == 0 && duplicated == 0 && final.wrong.isEmpty)
        controller.close()
    }

    /// The daemon's own rule: held, with a tag; after any doubt look for the tag before submitting again.
    private static func submitJobs(
        _ controller: SlurmController, _ index: Int, until end: ContinuousClock.Instant, _ counts: Tally
    ) async {
        var number = 0
        while ContinuousClock.now < end {
            number += 1
            let tag = "soak-\(index)-\(number)"
            guard var request = try? Lab.request(name: "soak") else { return }
            request.hold = true
            request.adminComment = tag
            var doubt = false
            while true {
                do throws(SlurmError) {
                    if doubt, let job = try await Self.adopt(tag, controller) {
                        counts.withLock {
                            $0.submitted[tag] = job.id
                            $0.adopted += 1
                        }
                        break
                    }
                    let id = try await controller.submit(request, readBack: false).jobID
                    counts.withLock { $0.submitted[tag] = id }
                    break
                } catch {
                    counts.withLock { $0.errors += 1 }
                    doubt = doubt || error.mayHaveHappened
                    try? await Task.sleep(for: .milliseconds(100))
                }
            }
        }
    }

    /// The job with this tag, once no earlier call can make one any more; two looks, since a slurmctld that hung has a
    /// backlog.
    private static func adopt(_ tag: String, _ controller: SlurmController) async throws(SlurmError) -> Job? {
        try await controller.settled(timeout: .seconds(5))
        if let job = try await controller.findJobs(tag: tag).first { return job }
        try? await Task.sleep(for: .seconds(1))
        return try await controller.findJobs(tag: tag).first
    }

    /// Held jobs stay: any other answer than "pending" or "don't know" is wrong.
    private static func watchJobs(
        _ controller: SlurmController, until end: ContinuousClock.Instant, _ counts: Tally
    ) async {
        while ContinuousClock.now < end {
            guard let (tag, id) = counts.withLock({ $0.submitted.randomElement() }) else {
                try? await Task.sleep(for: .milliseconds(50))
                continue
            }
            do throws(SlurmError) {
                let job = try await controller.job(id)
                if job.adminComment != tag || job.state.base != .pending {
                    counts.withLock { $0.wrong.append("\(tag): \(job.state) \(job.adminComment ?? "")") }
                }
            } catch  where error.code == .notFound {
                counts.withLock { $0.wrong.append("\(tag): \(error)") }
            } catch {
                counts.withLock { $0.errors += 1 }
            }
            try? await Task.sleep(for: .milliseconds(20))
        }
    }

    private static func breakThings(until end: ContinuousClock.Instant, _ counts: Tally) async {
        // An orderly stop saves slurmctld's state; after KILL it may itself forget its last seconds.
        let faults = [
            ("pause slurmctld", "resume slurmctld"), ("stop slurmctld", "start slurmctld"),
            ("pause munged", "resume munged"), ("kill munged", "start munged"),
        ]
        while ContinuousClock.now < end {
            try? await Task.sleep(for: .milliseconds(.random(in: 200...1500)))
            guard let (start, stop) = faults.randomElement() else { return }
            do {
                try await Lab.ask(start)
                try? await Task.sleep(for: .milliseconds(.random(in: 50...3500)))
                try await Lab.ask(stop)
                counts.withLock { $0.faults += 1 }
            } catch {
                counts.withLock { $0.wrong.append("lab: \(error)") }
            }
        }
    }
}
