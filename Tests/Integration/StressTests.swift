// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Slurm
import Synchronization
import Testing

/// Many calls of every kind at once: no error, nothing grows. `make sanitize` runs this under AddressSanitizer and
/// ThreadSanitizer.
@Suite("Stress", .serialized, .enabled(if: Lab.runs("Stress")))
struct StressTests {
    private static let rounds = Lab.environment("STRESS_ROUNDS").flatMap(Int.init) ?? 10
    private static let tasks = 8
    private static let callsPerTask = (Lab.environment("STRESS_CALLS").flatMap(Int.init) ?? 1000) / rounds

    @Test("8 tasks × 1,000 mixed calls: no errors, no descriptor and no memory growth over 10 rounds")
    func mixedCalls() async throws {
        let controller = try await Lab.connect(timeout: .seconds(60))
        let request = try Lab.request()
        var memory: [Int] = []
        var descriptors: [Int] = []
        var calls = 0
        for _ in 0..<Self.rounds {
            calls += try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<Self.tasks {
                    group.addTask { try await Self.work(controller, request) }
                }
                return try await group.reduce(0, +)
            }
            memory.append(try Self.anonymousMemory())
            descriptors.append(try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count)
        }
        print("stress: \(calls) calls in \(Self.rounds) rounds, 0 errors")
        print("stress: anonymous memory after each round, KiB: \(memory)")
        print("stress: open descriptors after each round: \(descriptors)")
        #expect(calls == Self.tasks * Self.callsPerTask * Self.rounds)
        #expect(controller.stuckThreads == 0)
        #expect(try #require(descriptors.last) <= (try #require(descriptors.first)) + 1)
        if Self.rounds >= 6 && Lab.environment("STRESS_SANITIZED") == nil {
            // Jobs pile up in slurmctld's table and so in its answers; what stays must not. The second half may not
            // lie above the first by more than noise.
            let half = Self.rounds / 2
            let (early, late) = (memory[1..<half].max() ?? 0, memory[half...].min() ?? 0)
            #expect(late <= early + 8 * 1024, "anonymous memory grew")
        }
        controller.close()
    }

    /// One task's share of a round; returns the number of calls made.
    private static func work(_ controller: SlurmController, _ request: JobRequest) async throws -> Int {
        var held = request
        held.hold = true
        var made = 0
        var id: UInt32 = 0
        while made < callsPerTask {
            switch made % 10 {
            case 0: id = try await controller.submit(held, readBack: false).jobID
            case 1: #expect(try await controller.job(id).id == id)
            case 2: try await controller.setComment(JobID(id), "comment \(made)")
            case 3: _ = try await controller.partitions()
            case 4: _ = try await controller.nodes()
            case 5: try await controller.setTimeLimit(JobID(id), .minutes(UInt32(made % 50 + 1)))
            case 6: #expect(try await controller.jobs()[id] != nil)
            case 7: #expect(try await controller.batchScript(id) == request.script)
            case 8: try await controller.ping()
            default: try await controller.cancel(JobID(id))
            }
            made += 1
        }
        return made
    }

    private static func anonymousMemory() throws -> Int {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("RssAnon:") })
        return try #require(Int(line.split(separator: " ").dropFirst().first ?? ""))
    }
}
