// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Logging
import NIOConcurrencyHelpers
import Testing

@testable import ClusterBenchmarks
@testable import JobLifecycle

@Suite struct BenchmarkRunnerTests {
    /// A cluster whose jobs do what a test says, a ledger and a file in a folder of their own.
    final class Stage: BenchmarkCluster {
        let folder: URL
        let ledger: Ledger
        private let state = NIOLockedValueBox(State())

        struct State {
            var nodes = (1...2).map { BenchmarkNode(name: "n\($0)", cpus: 2, coresPerSocket: 2, memory: 4000) }
            var outputs: [String: String] = [:]
            /// What only their users can read.
            var helped: [String: String] = [:]
            var isCut = false
            var sequence: Int64 = 0
            /// By job, and whether Slurm answers.
            var comments: [UInt32: String] = [:]
            var isAway = false
            /// The job is being ended.
            var refusesComments = false
        }

        init() throws {
            folder = FileManager.default.temporaryDirectory.appending(path: "benchmark-\(UUID())")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            ledger = try Ledger(
                path: folder.appending(path: "ledger.sqlite").path, cluster: "lab",
                interests: [.init(gateway: BenchmarkRunner.gatewayName, scope: .ownJobs)])
        }

        deinit {
            ledger.close()
            try? FileManager.default.removeItem(at: folder)
        }

        func change(_ body: (inout State) -> Void) { state.withLockedValue(body) }
        var now: State { state.withLockedValue { $0 } }

        func nodes() async throws(BenchmarkError) -> [BenchmarkNode] { now.nodes }
        func userID(login: String) async throws(BenchmarkError) -> UInt32 { 1001 }
        func comment(of job: UInt32) async throws(BenchmarkError) -> String? {
            if now.isAway { throw BenchmarkError(.unavailable, "away") }
            return now.comments[job]
        }
        func setComment(of job: UInt32, _ comment: String) async throws(BenchmarkError) -> Bool {
            if now.isAway { throw BenchmarkError(.unavailable, "away") }
            if now.refusesComments { return false }
            change { $0.comments[job] = comment }
            return true
        }

        /// As after a crash: what is in the files is all that there is.
        func runner(
            _ change: (inout BenchmarkRunner.Settings) -> Void = { _ in },
            helper: (@Sendable (String, UInt32) async throws -> OutputFile?)? = nil
        ) throws -> BenchmarkRunner {
            var settings = BenchmarkRunner.Settings()
            settings.user = "labu1"
            settings.partition = "main"
            settings.options.folder = folder.path
            settings.options.blockSize = 64
            (settings.options.nice, settings.options.reservation) = (5, "r")
            settings.options.environment = [("TOKEN_OF_A_SITE", "hunter2")]
            change(&settings)
            return BenchmarkRunner(
                settings: settings, file: try BenchmarkFile.open(path: folder.appending(path: "benchmark.sqlite").path),
                ledger: ledger, cluster: self, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                read: { [state] path, _ in
                    try state.withLockedValue { state in
                        guard let output = state.outputs[path] else { throw ResultError("not there") }
                        return OutputFile(text: output, isCut: state.isCut)
                    }
                }, helper: helper)
        }

        /// What the ledger tells of an order's job.
        func tell(
            _ runner: BenchmarkRunner, _ order: OrderRecord, _ kind: String, job: UInt32? = nil, state: String? = nil,
            isFinal: Bool = false, sequence: Int64? = nil, exitStatus: UInt32? = nil, times: (Int64, Int64)? = nil
        ) async throws {
            let number =
                sequence
                ?? self.state.withLockedValue { state in
                    state.sequence += 1
                    return state.sequence
                }
            var fields: [String: Any] = [
                "sequence": number, "kind": kind, "final": isFinal, "recorded_at_us": 1, "ledger_job": order.ledgerJob,
                "details": [String: String](), "gateway": order.order.gateway, "external_id": order.order.externalID,
                "claim": 1,
            ]
            if let job { fields["job_id"] = job }
            if let state { fields["state"] = state }
            if let exitStatus { fields["exit_status"] = exitStatus }
            if let times { (fields["start_time"], fields["end_time"]) = times }
            let transition = try JSONDecoder().decode(
                JobTransition.self, from: JSONSerialization.data(withJSONObject: fields))
            #expect(try await runner.deliver([transition]) == [.delivered])
        }

        /// One run of one part, whose submission is in the ledger.
        func begun() async throws -> (runner: BenchmarkRunner, order: OrderRecord) {
            let runner = try runner()
            _ = try await runner.begin([.machine])
            await runner.step()
            return (runner, try #require(try await orders(runner).first))
        }

        /// The core has seen the order's job run.
        func start(_ order: OrderRecord, job: UInt32) async throws {
            var seen = JobObservation(
                source: .controller, time: 1, key: JobKey(job), jobID: job, submitTime: 4_000_000_000,
                state: SchedulerState(.running), startTime: 4_000_000_000)
            seen.details.adminComment = order.tag
            try await ledger.fold(Ledger.Intake(observations: [seen]))
        }

        /// What is asked of the core.
        func commands(_ order: OrderRecord) async throws -> [String] {
            try await ledger.commands(ofLedgerJob: order.ledgerJob).map(\.text)
        }

        /// The orders in the ledger, oldest first.
        func orders(_ runner: BenchmarkRunner) async throws -> [OrderRecord] {
            var found: [OrderRecord] = []
            for one in try await ledger.list(limit: 1000).reversed() {
                let order = try await ledger.order("benchmark", one.externalID ?? "", claim: 1)
                if let order { found.append(order) }
            }
            return found
        }

        /// The output that the job's script would write, with these blocks.
        func write(_ order: OrderRecord, _ blocks: [String: String]) throws {
            let spec = try JobSpec(stored: order.order.request)
            let token = try #require(spec.script.split(separator: "TOKEN='").last?.prefix { $0 != "'" })
            let text = blocks.map { ResultBlocksTests.block($0.key, $0.value, token: String(token)) }.joined()
            change { $0.outputs[spec.output ?? ""] = text }
        }
    }

    @Test("a run from its beginning to its labels, a job at a time")
    func run() async throws {
        let stage = try Stage()
        let runner = try stage.runner()
        defer { runner.close() }
        #expect(try await runner.begin([.machine, .compute]) == 1)
        await #expect(throws: BenchmarkError.self) { try await runner.begin([]) }
        #expect(await runner.step())
        var orders = try await stage.orders(runner)
        #expect(orders.count == 1)
        let spec = try JobSpec(stored: orders[0].order.request)
        #expect(spec.script.contains("export TOKEN_OF_A_SITE='hunter2'"))
        #expect(spec.userID == 1001 && spec.partition == "main" && spec.options.nodes == 1 && spec.timeLimit == 1440)
        #expect(spec.options.nice == 5 && spec.options.reservation == "r" && spec.options.exclusive == nil)
        try await stage.tell(runner, orders[0], "submitted", job: 7)
        #expect(await runner.step())
        #expect(try await runner.history(limit: 1)[0].parts[0].job == 7)
        try stage.write(orders[0], ["machine": MachineFactsTests.rome])
        try await stage.tell(runner, orders[0], "ended", job: 7, state: "COMPLETED", isFinal: true)
        #expect(await runner.step())
        orders = try await stage.orders(runner)
        #expect(orders.count == 2)
        try stage.write(orders[1], ["hpcc": hpccOutput])
        try await stage.tell(runner, orders[1], "ended", job: 8, state: "COMPLETED", isFinal: true)
        #expect(await !runner.step())
        let done = try await runner.history(limit: 5)
        #expect(done.count == 1 && done[0].endedAt != nil)
        #expect(done[0].parts.map(\.state) == [.done, .done])
        let raw = try await runner.results(run: nil, [])
        #expect(raw.map(\.name) == ["machine", "hpcc"] && raw[1].content == hpccOutput)
        #expect(try await runner.results(run: 1, [.machine]).map(\.part) == [.machine])
        #expect(try await runner.results(run: 2, []).isEmpty)
        let labels = try await runner.measured()
        #expect(labels["compute.gflops"]?.value == "0.01")
        #expect(labels["cpu.microarch"]?.value == "zen2")
        #expect(labels["network.p2p.latency.us"] == nil)
    }

    @Test("killed anywhere: one job for a part, and its result")
    func killed() async throws {
        let stage = try Stage()
        func again() throws -> BenchmarkRunner { try stage.runner() }
        var runner = try again()
        _ = try await runner.begin([.machine])
        // In the ledger, and nothing noted of it.
        let part = try #require(try await runner.file.open()?.parts.first)
        try await stage.ledger.accept(
            JobOrder(gateway: "benchmark", externalID: part.externalID, request: part.request))
        for _ in 0..<3 {
            runner.close()
            runner = try again()
            await runner.step()
            #expect(try await stage.orders(runner).count == 1)
        }
        let order = try await stage.orders(runner)[0]
        try stage.write(order, ["machine": MachineFactsTests.rome])
        // Told, then killed, then told again.
        for _ in 0..<3 {
            try await stage.tell(runner, order, "running", job: 7, state: "RUNNING", sequence: 5)
            try await stage.tell(runner, order, "ended", job: 7, state: "COMPLETED", isFinal: true, sequence: 6)
            runner.close()
            runner = try again()
        }
        #expect(try await runner.file.open()?.parts.first?.state == .ended)
        await runner.step()
        try await stage.tell(runner, order, "ended", job: 7, state: "FAILED", isFinal: true, sequence: 6)
        await runner.step()
        let runs = try await runner.history(limit: 5)
        #expect(runs.map { $0.parts.map(\.state) } == [[.done]])
        #expect(try await runner.measured()["arch"]?.value == "amd64")
        runner.close()
    }

    @Test(
        "W22: what never comes ends with the reason, and what came counts",
        arguments: [
            ("TIMEOUT", true, BenchmarkRun.Part.State.done), ("TIMEOUT", false, .failed), ("NODE_FAIL", false, .failed),
            ("CANCELLED", false, .failed),
        ])
    func w22_missing(_ word: String, _ hasCome: Bool, _ state: BenchmarkRun.Part.State) async throws {
        let stage = try Stage()
        let runner = try stage.runner()
        defer { runner.close() }
        _ = try await runner.begin([.network])
        await runner.step()
        let order = try await stage.orders(runner)[0]
        if hasCome { try stage.write(order, ["osu-latency": "8 2.5\n"]) }
        try await stage.tell(runner, order, "ended", job: 7, state: word, isFinal: true)
        #expect(await !runner.step())
        let part = try await runner.history(limit: 1)[0].parts[0]
        #expect(part.state == state)
        #expect(part.message?.contains("the job ended as \(word)") == true)
        #expect(part.labels == (hasCome ? ["network.p2p.latency.us": "2.50"] : [:]))
    }

    @Test("the output of a job that came to its end is awaited, but not for ever")
    func slowFolder() async throws {
        let stage = try Stage()
        let runner = try stage.runner()
        defer { runner.close() }
        _ = try await runner.begin([.machine])
        await runner.step()
        let order = try await stage.orders(runner)[0]
        try await stage.tell(runner, order, "ended", job: 7, state: "COMPLETED", isFinal: true)
        for _ in 0..<59 { #expect(await runner.step()) }
        #expect(await !runner.step())
        let part = try await runner.history(limit: 1)[0].parts[0]
        #expect(part.state == .failed && part.message == "not there")
    }

    @Test("refused by Slurm, or gone: told, and the run goes on", arguments: ["refused", "vanished"])
    func neverRan(_ kind: String) async throws {
        let stage = try Stage()
        let runner = try stage.runner()
        defer { runner.close() }
        _ = try await runner.begin([.machine, .internet])
        await runner.step()
        let order = try await stage.orders(runner)[0]
        try await stage.tell(runner, order, kind, isFinal: true)
        #expect(await runner.step())
        let parts = try await runner.history(limit: 1)[0].parts
        #expect(parts.map(\.state) == [.failed, .submitted])
        #expect(parts[0].message == "the job ended as \(kind)")
    }

    @Test("cancelled: the job is ended once it has a number, what waits never comes")
    func cancelled() async throws {
        let stage = try Stage()
        let runner = try stage.runner()
        defer { runner.close() }
        #expect(try await runner.cancel() == nil)
        _ = try await runner.begin([.machine, .compute])
        await runner.step()
        let order = try await stage.orders(runner)[0]
        try await stage.tell(runner, order, "running", job: 7, state: "RUNNING")
        try await stage.start(order, job: 7)
        #expect(try await runner.cancel() == 1)
        for _ in 0..<3 { #expect(await runner.step()) }
        let cancel = "cancel (the benchmark was cancelled)"
        #expect(try await stage.commands(order) == ["\(cancel), open"])
        #expect(await runner.trouble == nil)
        let due = try #require(try await stage.ledger.dueCommands(limit: 9).first)
        try await stage.ledger.postpone(due, to: .max, why: "slurmctld does not answer")
        #expect(await runner.step())
        #expect(
            await runner.trouble == "the job of a cancelled run is not ended yet: slurmctld does not answer")
        // After a crash it is asked for at once.
        let again = try stage.runner()
        defer { again.close() }
        #expect(await again.step())
        let next = try #require(try await stage.ledger.dueCommands(limit: 9).first)
        try await stage.ledger.note(next, is: .impossible("no"))
        for _ in 0..<2 { #expect(await runner.step()) }
        #expect(await runner.trouble == "the job of a cancelled run cannot be ended: no")
        // Whoever cancels it again has it tried again.
        #expect(try await runner.cancel() == 1)
        #expect(await runner.step())
        #expect(try await stage.ledger.dueCommands(limit: 9).count == 1)
        try await stage.tell(runner, order, "ended", job: 7, state: "CANCELLED", isFinal: true)
        #expect(await !runner.step())
        let run = try await runner.history(limit: 1)[0]
        #expect(run.isCancelled && run.parts.map(\.state) == [.cancelled, .cancelled])
        #expect(try await stage.orders(runner).count == 1)
        #expect(try await runner.begin([.machine]) == 2)
    }

    @Test("cancelled before there is a job: none comes of it")
    func cancelledBefore() async throws {
        let stage = try Stage()
        let (runner, order) = try await stage.begun()
        defer { runner.close() }
        _ = try await runner.cancel()
        #expect(await runner.step())
        #expect(try await stage.ledger.order(ledgerJob: order.ledgerJob)?.phase == .refused)
        let told = try await stage.ledger.transitions(ofLedgerJob: order.ledgerJob)
        #expect(try await runner.deliver(told) == [.delivered])
        #expect(await !runner.step())
        #expect(try await runner.history(limit: 1)[0].parts.map(\.state) == [.cancelled])
    }

    @Test("a run whose ledger was lost can be cancelled: it is over, and its job is named")
    func cancelledWithoutLedger() async throws {
        let stage = try Stage()
        let (runner, order) = try await stage.begun()
        try await stage.tell(runner, order, "running", job: 7, state: "RUNNING")
        runner.close()
        let other = try Stage()
        try FileManager.default.copyItem(
            at: stage.folder.appending(path: "benchmark.sqlite"), to: other.folder.appending(path: "benchmark.sqlite"))
        let again = try other.runner()
        defer { again.close() }
        _ = try await again.cancel()
        #expect(await !again.step())
        let part = try await again.history(limit: 1)[0].parts[0]
        #expect(part.state == .cancelled)
        #expect(part.message == "the ledger has lost it: if Slurm job 7 is still there, end it by hand")
    }

    @Test("a part that failed keeps its last value; a drop is told")
    func history() async throws {
        let stage = try Stage()
        let runner = try stage.runner()
        defer { runner.close() }
        func measure(_ blocks: [String: String]) async throws {
            _ = try await runner.begin([.network])
            await runner.step()
            let order = try #require(try await stage.orders(runner).last)
            try stage.write(order, blocks)
            try await stage.tell(runner, order, "ended", job: 7, state: "COMPLETED", isFinal: true)
            #expect(await !runner.step())
        }
        try await measure(["osu-latency": "8 2.5", "osu-bibw": "8 100", "osu-alltoall": "8 9"])
        try await measure(["osu-latency": "8 5.0", "osu-bibw": "nothing"])
        #expect(
            try await runner.trends() == [
                "network.p2p.latency.us": [2.5, 5]
            ])
        let labels = try await runner.measured()
        #expect(labels["network.p2p.latency.us"]?.value == "5.00" && labels["network.p2p.latency.us"]?.run == 2)
        #expect(labels["network.p2p.bw.mbps"]?.value == "800.00" && labels["network.p2p.bw.mbps"]?.run == 1)
        let message = try await runner.history(limit: 1)[0].parts[0].message ?? ""
        #expect(message.contains("worse than last time: network.p2p.latency.us was 2.50, is 5.00"))
    }

    @Test("a lost file: old numbers mean nothing to the new one")
    func lostFile() async throws {
        let stage = try Stage()
        let old = try stage.runner()
        _ = try await old.begin([.machine])
        await old.step()
        let order = try await stage.orders(old)[0]
        old.close()
        for suffix in ["", "-wal", "-shm"] {
            try? FileManager.default.removeItem(at: stage.folder.appending(path: "benchmark.sqlite\(suffix)"))
        }
        let runner = try stage.runner()
        defer { runner.close() }
        _ = try await runner.begin([.internet])
        await runner.step()
        #expect(try await stage.orders(runner).count == 2)
        try await stage.tell(runner, order, "ended", job: 7, state: "FAILED", isFinal: true)
        #expect(try await runner.history(limit: 1)[0].parts.map(\.state) == [.submitted])
    }

    @Test("where nothing can be measured no run is begun")
    func nothing() async throws {
        let stage = try Stage()
        let runner = try stage.runner()
        defer { runner.close() }
        stage.change { $0.nodes = [] }
        await #expect {
            try await runner.begin([])
        } throws: {
            "\($0)".contains("no node answers")
        }
        #expect(try await runner.history(limit: 1).isEmpty)
    }

    @Test("what a run would do, and that it does nothing")
    func dryRun() async throws {
        let stage = try Stage()
        let runner = try stage.runner()
        defer { runner.close() }
        let plan = try await runner.plan([])
        #expect(plan.jobs.map(\.part) == BenchmarkPart.allCases)
        #expect(plan.jobs[1].linpack?.grid == ProcessGrid(processes: 4))
        #expect(plan.jobs.allSatisfy { $0.script.contains("TOKEN_OF_A_SITE") && !$0.script.contains("hunter2") })
        stage.change { $0.nodes.removeLast() }
        #expect(try await runner.plan([.network]).skipped.map(\.part) == [.network])
        #expect(try await runner.history(limit: 1).isEmpty)
        #expect(try await stage.orders(runner).isEmpty)
    }
}
