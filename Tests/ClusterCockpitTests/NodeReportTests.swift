// SPDX-License-Identifier: GPL-3.0-or-later

import GRDB
import JobLifecycle
import NIOConcurrencyHelpers
import Persistence
import Testing

@testable import ClusterCockpit

/// What nodes say of themselves and of jobs.
struct NodeReportTests {
    /// Two sockets of two cores of two threads, even numbers on the first one.
    private static let hardware = NodeHardware(
        cores: [[0, 4], [2, 6], [1, 5], [3, 7]], gpus: ["0000:47:00.0", "0000:07:00.0"], memory: 4096)
    private static let shape = NodeShape(cores: 4, gpus: 2)
    /// The backend has other numbers, and capitals.
    private static let topology = BackendTopology(groups: [
        .init(
            name: "m", nodes: BackendNodeList("n[1-4]"),
            topology: NodeTopology(
                cores: [[0, 1], [2, 3], [4, 5], [6, 7]], sockets: [[0, 1, 2, 3], [4, 5, 6, 7]],
                accelerators: ["00000000:07:00.0", "00000000:47:00.0"]))
    ])

    private static func placement(
        _ words: NodeWords, _ held: JobCapture.Node? = nil, sharing: NodeSharing = .multiUser,
        table: HardwareTable = HardwareTable(), topology: BackendTopology? = topology
    ) -> JobPlacement {
        var run = CockpitRun(jobID: 7, submitTime: 1, startTime: 2, job: "7")
        run.capture = JobCapture(submitTime: 1, sharing: sharing, nodes: held.map { [$0] } ?? [])
        return JobPlacement(run, nodes: ["n1"], topology: topology, table: table, words: words)
    }

    private static func words(_ report: NodeReport) -> NodeWords {
        NodeWords(shares: ["n1": NodeShare(report)], hardware: ["n1": report.hardware])
    }

    @Test func theNodesOwnWordIsTheBest() {
        let words = Self.words(NodeReport(jobID: 7, node: "n1", cores: [1, 2], gpus: [1], hardware: Self.hardware))
        let placement = Self.placement(words, .init(name: "n1", cores: [0], gpus: [1]))
        #expect(placement.nodes == [.init(host: "n1", hwthreads: [1, 2, 5, 6], accelerators: ["00000000:07:00.0"])])
        #expect(placement.source == .node)
        #expect(placement.usesSMT == true)
        // slurmctld keeps no indices of a job that is over.
        let over = Self.placement(words, .init(name: "n1", cores: [0], gpus: []))
        #expect(over.nodes[0].accelerators == ["00000000:07:00.0"])
        // The site's own table of GPUs still counts first.
        let table = HardwareTable(accelerators: ["n": [1: "T1"]])
        #expect(Self.placement(words, table: table).nodes[0].accelerators == ["T1"])
        // A backend without a list of them.
        let bare = BackendTopology(groups: [.init(name: "m", nodes: nil, topology: nil)])
        #expect(Self.placement(words, topology: bare).nodes[0].accelerators == ["00000000:07:00.0"])
    }

    @Test func slurmctldsCoresByTheKernelsTopology() {
        let words = NodeWords(hardware: ["n1": Self.hardware])
        let placement = Self.placement(words, .init(name: "n1", cores: [2], gpus: [0, 1]))
        #expect(placement.nodes[0].hwthreads == [1, 5])
        #expect(placement.nodes[0].accelerators == ["00000000:47:00.0", "00000000:07:00.0"])
        #expect(placement.source == .inventory)
        #expect(Self.placement(words, .init(name: "n1", cores: [4])).source == nil)
        let whole = Self.placement(words, sharing: .none)
        #expect(whole.nodes[0].hwthreads == Array(0...7))
        #expect(whole.source == .wholeNode)
    }

    @Test func whatDoesNotAgreeWithSlurmIsNotBelieved() {
        let words = Self.words(NodeReport(jobID: 7, node: "n1", cores: [1], gpus: [1], hardware: Self.hardware))
        let held = JobCapture.Node(name: "n1", cores: [1], gpus: [1])
        for (shape, source, address) in [
            (Self.shape, PlacementSource.node, "00000000:07:00.0"),
            // Slurm believes another node, or has a part of its GPUs: then the backend's topology is what is left.
            (NodeShape(cores: 8, gpus: 2), .topology, "00000000:07:00.0"),
            (NodeShape(cores: 4, gpus: 1), .node, "00000000:47:00.0"),
        ] {
            let placement = Self.placement(words.agreeing(with: ["n1": shape]), held)
            #expect(placement.source == source)
            #expect(placement.nodes[0].accelerators == [address])
        }
        #expect(Self.placement(words.agreeing(with: [:]), held).source == .topology)
    }

    /// Slurm counts the parts of a divided GPU, whose address is told once; a job may have parts of several.
    @Test func partsOfGPUs() {
        let (first, second) = ("0000:07:00.0", "0000:47:00.0")
        let divided = NodeHardware(cores: Self.hardware.cores, gpus: [first, second, second, second])
        for (gpus, addresses): ([UInt32], [String]) in [
            ([1, 3], ["00000000:47:00.0"]), ([0, 2], ["00000000:07:00.0", "00000000:47:00.0"]),
            ([0], ["00000000:07:00.0"]),
        ] {
            let words = Self.words(NodeReport(jobID: 7, node: "n1", cores: [0], gpus: gpus, hardware: divided))
            let agreed = words.agreeing(with: ["n1": NodeShape(cores: 4, gpus: 4)])
            let placement = Self.placement(agreed)
            #expect(placement.nodes[0].accelerators == addresses)
            #expect(placement.accelerators == gpus.count)
            // Slurm was not told of the parts.
            let other = words.agreeing(with: ["n1": NodeShape(cores: 4, gpus: 2)])
            #expect(other.shares["n1"]?.addresses == nil && other.hardware["n1"]?.gpus == nil)
        }
    }

    @Test func coresThatTheNodeDoesNotHave() {
        for cores: [UInt32] in [[4], [0, 99]] {
            let share = NodeShare(NodeReport(jobID: 7, node: "n1", cores: cores, gpus: [9], hardware: Self.hardware))
            #expect(share.threads == nil && share.addresses == nil && share.gpus == [9])
        }
        // Without a topology there is nothing to translate by.
        #expect(NodeShare(NodeReport(jobID: 7, node: "n1", cores: [0])).isEmpty)
    }

    /// Of a job that ends slurmctld names only the nodes that are not clean yet.
    @Test func nodesThatAreDoneAreNotForgotten() async throws {
        let site = try await SenderHarness()
        var run = CockpitRun(jobID: 7, submitTime: 1, startTime: 2, job: "7")
        run.details.nodes = "n1,n2"
        run.capture = JobCapture(submitTime: 1, nodes: [.init(name: "n1")])
        #expect(await site.sender.nodes(of: run) == ["n1", "n2"])
        run.capture = JobCapture(submitTime: 1, nodes: [.init(name: "n1"), .init(name: "n3")])
        #expect(await site.sender.nodes(of: run) == ["n1", "n3"])
        run.details.nodes = nil
        #expect(await site.sender.nodes(of: run) == ["n1", "n3"])
    }

    @Test(arguments: [
        ("0000:47:00.0", ["00000000:47:00.0"], "00000000:47:00.0"), ("0000:c4:00.0", [], "00000000:C4:00.0"),
        ("0000:c4:00.0", ["0000:C4:00.0"], "0000:C4:00.0"), ("10000:81:00.0", ["00000000:81:00.0"], "00010000:81:00.0"),
    ])
    func addressesAreSpelledAsTheBackendDoes(kernel: String, known: [String], spelled: String) {
        #expect(PCIAddress.spelled(kernel, as: known) == spelled)
    }

    // MARK: kept

    private static func start(_ site: SenderHarness) -> String? {
        site.backend.requests.last { $0.path == "/jobs/start_job/" }?.body
    }

    /// Of a run that began long ago when it is told, its own word is still there, and not that of the run before it.
    @Test func wordsAreKeptWithTheRun() async throws {
        let site = try await SenderHarness()
        site.cluster.state.withLockedValue { $0.shapes = ["n1": Self.shape] }
        let first = NodeReport(jobID: 7, node: "n1", cores: [0], hardware: Self.hardware)
        try await site.store.take([first], at: 100_500)
        try await site.store.take(
            [
                .init(jobID: 7, node: "n1", gpus: [1], hardware: NodeHardware(gpus: Self.hardware.gpus)),
                .init(jobID: 7, node: "n1", cores: [3], hardware: Self.hardware),
                .init(jobID: 8, node: "n1", cores: [1], hardware: Self.hardware),
            ], at: 200_700)
        // The node is another one by now.
        try await site.store.take(
            [.init(jobID: 9, node: "n1", cores: [0], hardware: NodeHardware(cores: [[0], [1], [2], [3]]))], at: 300_000)
        try await site.tell(.running, job: 1, id: 7, submitted: 190, start: 200, state: .running)
        try await site.tell(.ended, job: 1, id: 7, submitted: 190, start: 200, end: 201, state: .completed)
        try await site.restart()
        try await site.run()
        let body = try #require(Self.start(site))
        #expect(body.contains(#""hwthreads":[3,7]"#))
        #expect(body.contains(#""accelerators":["00000000:07:00.0"]"#))
        #expect(body.contains(#""placementSource":"node""#))
        #expect(body.contains(#""numAcc":1"#))
    }

    @Test func aNodeThatTellsIsWaitedForAMoment() async throws {
        let site = try await SenderHarness()
        site.move(60)
        site.cluster.state.withLockedValue { $0.shapes = ["n1": Self.shape] }
        let now = site.seconds
        try await site.store.take(
            [.init(jobID: 6, node: "n1", cores: [0], hardware: Self.hardware)], at: now * 1000 - 9000)
        try await site.tell(.running, job: 1, id: 7, submitted: now, start: now, state: .running)
        try await site.run()
        #expect(Self.start(site) == nil)
        try await site.store.take([.init(jobID: 7, node: "n1", cores: [2], hardware: Self.hardware)], at: now * 1000)
        site.move(1)
        try await site.run()
        #expect(Self.start(site)?.contains(#""hwthreads":[1,5]"#) == true)
        // Which GPUs it has slurmctld does not say either.
        var capture = JobCapture(submitTime: now, nodes: [.init(name: "n1", cores: [0], gpus: [])])
        capture.gpus = 1
        site.cluster.state.withLockedValue { [capture] in $0.captures[9] = capture }
        try await site.tell(.running, job: 3, id: 9, submitted: now, start: now + 1, state: .running)
        try await site.tell(
            .ended, job: 3, id: 9, submitted: now, start: now + 1, end: now + 1, state: .completed)
        try await site.run()
        #expect(site.backend.rows[9] == nil)
        try await site.store.take(
            [.init(jobID: 9, node: "n1", gpus: [0], hardware: NodeHardware(gpus: Self.hardware.gpus))],
            at: (now + 1) * 1000)
        site.move(1)
        try await site.run()
        #expect(Self.start(site)?.contains(#""accelerators":["00000000:47:00.0"]"#) == true)
        site.move(-1)
        // It does not: then the job is told without.
        try await site.tell(.running, job: 2, id: 8, submitted: now, start: now + 1, state: .running)
        try await site.run()
        #expect(site.backend.rows[8] == nil)
        site.move(4)
        try await site.run()
        #expect(site.backend.rows[8]?.count == 1)
        #expect(Self.start(site)?.contains("hwthreads") == false)
    }

    /// A job that has the node alone may be without the cores that Slurm keeps for itself: the node knows.
    @Test func aNodeIsWaitedForAlsoByAJobThatHasItAlone() async throws {
        let site = try await SenderHarness()
        site.move(60)
        site.cluster.state.withLockedValue { $0.shapes = ["n1": Self.shape] }
        let now = site.seconds
        try await site.store.take([.init(jobID: nil, node: "n1", hardware: Self.hardware)], at: now * 1000 - 9000)
        for job: UInt32 in [7, 8] {
            let capture = JobCapture(submitTime: now, sharing: NodeSharing.none, nodes: [.init(name: "n1")])
            site.cluster.state.withLockedValue { $0.captures[job] = capture }
        }
        try await site.tell(.running, job: 1, id: 7, submitted: now, start: now, state: .running)
        try await site.run()
        #expect(Self.start(site) == nil)
        try await site.store.take(
            [.init(jobID: 7, node: "n1", cores: [0, 1, 2], hardware: Self.hardware)], at: now * 1000)
        site.move(1)
        try await site.run()
        #expect(Self.start(site)?.contains(#""hwthreads":[0,1,2,4,5,6]"#) == true)
        #expect(Self.start(site)?.contains(#""placementSource":"node""#) == true)
        // It says nothing: then the job has all of it.
        try await site.tell(.running, job: 2, id: 8, submitted: now, start: now + 1, state: .running)
        try await site.run()
        #expect(site.backend.rows[8] == nil)
        site.move(4)
        try await site.run()
        #expect(site.backend.rows[8]?.count == 1)
        #expect(Self.start(site)?.contains(#""placementSource":"whole-node""#) == true)
    }

    /// A node's first job: what it is made of was told when its slurmd started.
    @Test func whatANodeSaysOfItselfIsThereForItsFirstJob() async throws {
        let site = try await SenderHarness()
        site.cluster.state.withLockedValue { $0.shapes = ["n1": Self.shape] }
        let now = site.seconds
        try await site.store.take([.init(jobID: nil, node: "n1", hardware: Self.hardware)], at: now * 1000 - 9000)
        let shares = try await site.store.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM shares") }
        #expect(shares == 0)
        let capture = JobCapture(submitTime: now, nodes: [.init(name: "n1", cores: [2], gpus: [1])])
        site.cluster.state.withLockedValue { $0.captures[7] = capture }
        try await site.tell(.running, job: 1, id: 7, submitted: now, start: now, state: .running)
        try await site.run()
        let body = try #require(Self.start(site))
        #expect(body.contains(#""hwthreads":[1,5]"#) && body.contains(#""accelerators":["00000000:07:00.0"]"#))
        #expect(body.contains(#""placementSource":"inventory""#))
    }

    /// Where no node tells there is no plugin.
    @Test func aNodeIsNotWaitedForWhereNoneTells() async throws {
        let site = try await SenderHarness()
        try await site.tell(.running, job: 1, id: 7, submitted: site.seconds, start: site.seconds, state: .running)
        try await site.run()
        #expect(site.backend.rows[7]?.count == 1)
    }

    /// slurmctld's cores by the backend's topology would do, and are less than the node's own word.
    @Test func aNodeThatNobodyHeardIsWaitedForWhereOthersTell() async throws {
        let site = try await SenderHarness()
        site.move(60)
        site.cluster.state.withLockedValue { $0.shapes = ["n1": Self.shape, "n2": Self.shape] }
        let now = site.seconds
        try await site.store.take([.init(jobID: nil, node: "n2", hardware: Self.hardware)], at: now * 1000 - 9000)
        for job: UInt32 in 7...10 {
            let capture = JobCapture(submitTime: now, nodes: [.init(name: "n1", cores: [2], gpus: [])])
            site.cluster.state.withLockedValue { $0.captures[job] = capture }
        }
        func began(_ job: UInt32) async throws {
            let start = site.seconds
            try await site.tell(.running, job: Int64(job), id: job, submitted: now, start: start, state: .running)
            try await site.run()
        }
        try await began(7)
        site.move(4)
        try await site.run()
        #expect(site.backend.rows[7] == nil)
        // It never speaks: the job is told by what there is, and the next one at once.
        site.move(6)
        try await site.run()
        #expect(site.backend.rows[7]?.count == 1)
        #expect(Self.start(site)?.contains(#""placementSource":"topology""#) == true)
        try await began(8)
        #expect(site.backend.rows[8]?.count == 1)
        // Much later its slurmd may have been restarted.
        site.move(BackendSender.silenceLasts / 1000)
        try await began(9)
        #expect(site.backend.rows[9] == nil)
        try await site.store.take(
            [.init(jobID: 9, node: "n1", cores: [2], hardware: Self.hardware)], at: site.seconds * 1000)
        site.move(1)
        try await site.run()
        #expect(Self.start(site)?.contains(#""placementSource":"node""#) == true)
        try await began(10)
        #expect(Self.start(site)?.contains(#""placementSource":"inventory""#) == true)
        // Of one that began long ago nothing more is to come.
        let other = try await SenderHarness()
        other.move(60)
        try await other.store.take([.init(jobID: nil, node: "n2", hardware: Self.hardware)], at: 1)
        try await other.tell(.running, job: 1, id: 7, submitted: now, start: other.seconds - 60, state: .running)
        try await other.run()
        #expect(other.backend.rows[7]?.count == 1)
    }

    /// What a node said while the agent was away it has kept, and says when the agent is back.
    @Test func whatWasSaidToNobodyIsWaitedForAtTheStart() async throws {
        // A node that has told what it is made of, and one that nobody has heard.
        for node in ["n1", "n2"] {
            let site = try await SenderHarness()
            site.cluster.state.withLockedValue { $0.shapes = ["n1": Self.shape] }
            let now = site.seconds
            try await site.store.take([.init(jobID: nil, node: node, hardware: Self.hardware)], at: now * 1000 - 90_000)
            for job: UInt32 in [7, 8] {
                try await site.tell(
                    .running, job: Int64(job), id: job, submitted: now - 60, start: now - 60, state: .running)
            }
            try await site.tell(
                .ended, job: 7, id: 7, submitted: now - 60, start: now - 60, end: now - 40, state: .completed)
            try await site.run()
            #expect(Self.start(site) == nil)
            site.move(15)
            try await site.store.take(
                [.init(jobID: 7, node: "n1", waited: 70_000, cores: [2], hardware: Self.hardware)],
                at: site.seconds * 1000)
            try await site.run()
            #expect(Self.start(site)?.contains(#""hwthreads":[1,5]"#) == true)
            // The other one is not told of, and goes without them.
            if node == "n1" { #expect(site.backend.rows[8] == nil) }
            site.move(6)
            try await site.run()
            #expect(site.backend.rows[8]?.count == 1)
            #expect(Self.start(site)?.contains("hwthreads") == false)
        }
    }

    /// A late word counts from when it was said.
    @Test func aLateWordIsOfTheRunThatItWasSaidOf() async throws {
        let site = try await SenderHarness()
        site.cluster.state.withLockedValue { $0.shapes = ["n1": Self.shape] }
        let now = site.seconds * 1000
        let second = NodeReport(jobID: 7, node: "n1", cores: [3], hardware: Self.hardware)
        let first = NodeReport(jobID: 7, node: "n1", waited: 100_000, cores: [0], hardware: Self.hardware)
        try await site.store.take([second], at: now - 500)
        try await site.store.take([first], at: now)
        func words(_ start: Int64, _ end: Int64?) async throws -> [Int]? {
            var run = CockpitRun(jobID: 7, submitTime: 1, startTime: site.seconds + start, job: "7")
            run.endTime = end.map { site.seconds + $0 }
            return try await site.store.words(of: run, nodes: ["n1"]).shares["n1"]?.threads
        }
        #expect(try await words(-101, -90) == [0, 4])
        #expect(try await words(-1, nil) == [3, 7])
        #expect(try await words(-80, -70) == nil)
        // Said again it is the same; whoever waited for ever, or less than nothing, says nothing strange.
        try await site.store.take([first], at: now)
        #expect(try await words(-101, -90) == [0, 4])
        try await site.store.take(
            [
                .init(jobID: 7, node: "n1", waited: .max, cores: [1], hardware: Self.hardware),
                .init(jobID: 7, node: "n1", waited: .min, cores: [3], hardware: Self.hardware),
            ], at: now)
        #expect(try await words(-101, -90) == [0, 4])
        #expect(try await words(-1, nil) == [3, 7])
    }

    /// What a node was made of before does not take the place of what it is made of.
    @Test func anOlderWordOfANodeDoesNotCount() async throws {
        let site = try await SenderHarness()
        let now = site.seconds * 1000
        let (old, new) = (NodeHardware(cores: [[0]]), NodeHardware(cores: [[0], [1]]))
        func take(_ hardware: NodeHardware, waited: Int64 = 0, at time: Int64) async throws -> NodeHardware? {
            try await site.store.take([.init(jobID: nil, node: "n1", waited: waited, hardware: hardware)], at: time)
            let run = CockpitRun(jobID: 7, submitTime: 1, startTime: 2, job: "7")
            return try await site.store.words(of: run, nodes: ["n1"]).hardware["n1"]
        }
        #expect(try await take(old, at: now) == old)
        #expect(try await take(new, waited: 5000, at: now + 10_000) == new)
        #expect(try await take(old, waited: 9000, at: now + 11_000) == new)
        // It said the same again since.
        #expect(try await take(new, at: now + 200_000) == new)
        #expect(try await take(old, waited: 50_000, at: now + 201_000) == new)
        #expect(try await take(old, at: now + 202_000) == old)
    }

    /// Slurm is asked of its nodes seldom, and what it said last does while it is away.
    @Test func slurmIsAskedSeldom() async throws {
        let site = try await SenderHarness()
        let words = Self.words(NodeReport(jobID: 7, node: "n1", cores: [1], hardware: Self.hardware))
        func agreed() async throws -> Bool { try await site.sender.agreement(words).shares["n1"]?.threads != nil }
        #expect(try await !agreed())
        site.cluster.state.withLockedValue { $0.shapes = ["n1": Self.shape] }
        #expect(try await !agreed())
        site.move(61)
        #expect(try await agreed())
        site.cluster.state.withLockedValue { $0.isAway = true }
        site.move(3600)
        #expect(try await agreed())
        // Never heard: then it is waited for.
        try await site.restart()
        await #expect(throws: CockpitError.self) { try await agreed() }
    }

    @Test func wordsGoWithTheirRun() async throws {
        let site = try await SenderHarness()
        try await site.store.take([.init(jobID: 7, node: "n1", cores: [0], hardware: Self.hardware)], at: 200_000)
        try await site.store.take([.init(jobID: 8, node: "n1", cores: [0], hardware: Self.hardware)], at: 200_000)
        try await site.tell(.running, job: 1, id: 7, submitted: 190, start: 200, state: .running)
        _ = try await site.store.prune(before: 1000)
        let left = try await site.store.read { try Int64.fetchAll($0, sql: "SELECT job_id FROM shares") }
        #expect(left == [7])
    }
}
