// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import GRDB
import JobLifecycle
import Logging
import NIOConcurrencyHelpers
import PlanCheck
import Testing

@testable import Jarvice
@testable import JarviceAnswers

@Suite("Answers that are kept")
struct AnswerTests {
    /// `jarvice.sqlite` in a folder of its own, and a clock.
    private final class Place: Sendable {
        let folder: URL
        let time = NIOLockedValueBox<Int64>(1_000_000)

        init() throws {
            folder = FileManager.default.temporaryDirectory.appending(path: "answers-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        }

        deinit { try? FileManager.default.removeItem(at: folder) }

        func open(
            byteLimit: Int = 1 << 30, trace: (@Sendable (String) -> Void)? = nil
        ) throws(JarviceError) -> AnswerFile {
            try AnswerFile.open(
                path: folder.appending(path: "jarvice.sqlite").path, byteLimit: byteLimit,
                now: { [time] in time.withLockedValue { $0 } }, trace: trace)
        }

        func pass(days: Int64) { time.withLockedValue { $0 += days * 86_400 + 1 } }
    }

    private func job(_ id: UInt32) -> NamedJob { NamedJob(name: "n", number: "1", jobID: "\(id)") }

    private func told(_ text: String) -> String {
        "[0,\"00:00:00\",[\"\(text)\",\"<< termination state: CD -- see STDOUT for job errors >>\"]]"
    }

    @Test("an answer is the same whatever becomes of the output, of the helper and of the agent")
    func same() async throws {
        let place = try Place()
        let files = FakeFiles()
        let answers = try place.open()
        let site = try GatewaySite(files: files, answers: answers)
        try await site.running {
            _ = try await site.gateway.submit(try GatewaySite.args())
            try await site.end(101)
            #expect(try await site.gateway.exitStatus(job(101)).text == told("text"))
            files.state.withLockedValue { $0.text = "changed" }
            #expect(try await site.gateway.exitStatus(job(101)).text == told("text"))
            files.state.withLockedValue { $0.isAway = true }
            #expect(try await site.gateway.exitStatus(job(101)).text == told("text"))
            answers.close()
            let again = try place.open()
            var settings = JarviceSettings()
            settings.slurmTimeout = .seconds(60)
            let next = JarviceGateway(
                settings: settings, ledger: site.ledger, cluster: FakeCluster(slurm: site.slurm), machine: "x86_64",
                keySource: nil, files: files, answers: again, logger: .init(label: "test"))
            #expect(try await next.exitStatus(job(101)).text == told("text"))
            again.close()
            // A file that cannot be used costs an answer only its permanence.
            files.state.withLockedValue { $0.isAway = false }
            #expect(try await next.exitStatus(job(101)).text == told("changed"))
        }
    }

    @Test("what a job wrote is read at its end, once its processes have ended, and once")
    func ahead() async throws {
        let files = FakeFiles()
        let place = try Place()
        defer { withExtendedLifetime(place) {} }
        let answers = try place.open()
        let site = try GatewaySite(files: files, answers: answers)
        try await site.running {
            let gateway = site.gateway
            func asked() -> Int { files.state.withLockedValue { $0.asked.count } }
            for name in ["n", "slow", "none"] { _ = try await gateway.submit(try GatewaySite.args(name)) }
            try await site.end(101)
            try await site.end(102, flags: .completing)
            await gateway.readAhead()
            #expect(files.state.withLockedValue { $0.asked } == ["tail /home/alice/.jarvice/n.out 1001"])
            #expect(try await gateway.exitStatus(job(101)).text == told("text") && asked() == 1)
            // It may write more: it is told, but not kept.
            #expect(try await gateway.exitStatus(job(102)).text == told("text") && asked() == 2)
            files.state.withLockedValue { $0.text = "more text" }
            site.slurm.state.withLockedValue { $0.ended[102] = [] }
            await gateway.index.changed()
            await gateway.readAhead()
            #expect(asked() == 3 && gateway.ended.isEmpty)
            #expect(try await gateway.exitStatus(job(102)).text == told("more text") && asked() == 3)
            // What is not there yet, on a slow disk, is looked for again.
            files.state.withLockedValue { $0.text = nil }
            try await site.end(103)
            await gateway.readAhead()
            #expect(try await gateway.exitStatus(job(103)).text == told(""))
            files.state.withLockedValue { $0.text = "late" }
            #expect(try await gateway.exitStatus(job(103)).text == told("late"))
            answers.close()
        }
    }

    @Test("a helper or a slurmctld that is away is asked by upstream's question")
    func away() async throws {
        let files = FakeFiles()
        let place = try Place()
        defer { withExtendedLifetime(place) {} }
        let answers = try place.open()
        let site = try GatewaySite(files: files, answers: answers)
        try await site.running {
            for name in ["n", "m"] { _ = try await site.gateway.submit(try GatewaySite.args(name)) }
            files.state.withLockedValue { $0.isAway = true }
            try await site.end(101)
            await site.gateway.readAhead()
            await #expect(throws: JarviceError.self) { try await site.gateway.exitStatus(job(101)) }
            files.state.withLockedValue { $0.isAway = false }
            #expect(try await site.gateway.exitStatus(job(101)).text == told("text"))
            // When the helper is back, what it could not read is read.
            #expect(!site.gateway.ended.isEmpty)
            await site.gateway.readAhead()
            #expect(site.gateway.ended.isEmpty)
            try await site.end(102)
            site.slurm.state.withLockedValue { $0.isUp = false }
            await site.gateway.index.changed()
            await site.gateway.readAhead()
            #expect(!site.gateway.ended.isEmpty)
            #expect(try await site.gateway.exitStatus(job(102)).text == told("text"))
            answers.close()
        }
    }

    @Test("what nobody has asked for is kept before it is removed")
    func removal() async throws {
        let files = FakeFiles()
        let place = try Place()
        defer { withExtendedLifetime(place) {} }
        let answers = try place.open()
        let now = NIOLockedValueBox(Date())
        let site = try GatewaySite(files: files, answers: answers, now: { now.withLockedValue { $0 } })
        try await site.running {
            _ = try await site.gateway.submit(try GatewaySite.args())
            try await site.end(101)
            now.withLockedValue { $0 += 90_000 }
            _ = try await site.gateway.removeOutputs()
            #expect(files.state.withLockedValue { $0.asked.count } == 3)
            files.state.withLockedValue { $0.text = nil }
            #expect(try await site.gateway.exitStatus(job(101)).text == told("text"))
            answers.close()
        }
    }

    @Test("kept for a day after it was told, for a month before, and the oldest go when there are too many")
    func lifetime() async throws {
        let place = try Place()
        let answers = try place.open(byteLimit: 8 << 20)
        func kept(_ jobs: ClosedRange<Int>) async throws -> [Int] {
            var found: [Int] = []
            for job in jobs where try await answers.output(of: "\(job)") != nil { found.append(job) }
            return found
        }
        for job in 1...3 { #expect(try await answers.keep("\(job)\0\u{fffd}", of: "\(job)") == "\(job)\0\u{fffd}") }
        #expect(try await answers.keep("other", of: "1") == "1\0\u{fffd}")
        try await answers.noteTold(["1"])
        #expect(try await answers.output(of: "1")?.isTold == true)
        #expect(try await answers.output(of: "2")?.isTold == false)
        place.pass(days: 1)
        _ = try await answers.keep("", of: "4")
        #expect(try await kept(1...4) == [2, 3, 4])
        place.pass(days: 29)
        try await answers.noteTold(["3"])
        _ = try await answers.keep("", of: "5")
        #expect(try await kept(1...5) == [4, 5])
        let large = String(repeating: "x", count: 3 << 20)
        for job in 6...10 {
            place.time.withLockedValue { $0 += 1 }
            _ = try await answers.keep(large, of: "\(job)")
        }
        #expect(try await kept(4...10) == [8, 9, 10])
        answers.close()
    }

    @Test("no statement looks at all rows; every statement in the sources is looked at")
    func plans() async throws {
        let plans = PlanCheck()
        let place = try Place()
        let answers = try place.open(byteLimit: 0, trace: plans.collect)
        _ = try await answers.keep("text", of: "1")
        _ = try await answers.keep("text", of: "2")
        try await answers.noteTold(["2"])
        _ = try await answers.output(of: "2")
        answers.close()
        let database = try DatabaseQueue()
        try await database.write { database in
            for step in AnswerSchema.steps { try database.execute(sql: step.1) }
        }
        // The oldest are its begin, of which a few are read.
        let small: Set<String> = ["sqlite_master", "meta", "answers_kept"]
        let scans = try await database.read { try plans.scans($0, small: small) }
        #expect(scans.isEmpty, "\(scans.joined(separator: "\n"))")
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path
        let unrun = try plans.unrun(inSourcesAt: folder + "/../../Sources/JarviceAnswers")
        #expect(unrun.isEmpty, "call these here:\n\(unrun.joined(separator: "\n"))")
    }
}
