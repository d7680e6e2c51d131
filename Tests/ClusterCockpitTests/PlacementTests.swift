// SPDX-License-Identifier: GPL-3.0-or-later

import JobLifecycle
import Testing

@testable import ClusterCockpit

struct PlacementTests {
    /// Two sockets of two cores of two threads, dealt out to the sockets in turn.
    private static let kind = NodeTopology(
        cores: [[0, 4], [2, 6], [1, 5], [3, 7]], sockets: [[0, 2, 4, 6], [1, 3, 5, 7]], accelerators: ["A", "B"])
    private static let topology = BackendTopology(groups: [
        .init(name: "m", nodes: BackendNodeList("n[1-4]"), topology: kind)
    ])

    private func run(_ nodes: [JobCapture.Node], sharing: NodeSharing = .multiUser) -> CockpitRun {
        var run = CockpitRun(jobID: 7, submitTime: 1, startTime: 2, job: "7")
        run.capture = JobCapture(submitTime: 1, sharing: sharing, nodes: nodes)
        return run
    }

    @Test func coresBecomeTheThreadsOfTheTopology() {
        let placement = JobPlacement(
            run([.init(name: "n1", cores: [1, 2], gpus: [1])]), nodes: ["n1"], topology: Self.topology,
            table: HardwareTable())
        #expect(placement.nodes == [.init(host: "n1", hwthreads: [1, 2, 5, 6], accelerators: ["B"])])
        #expect(placement.source == .topology)
        #expect(placement.usesSMT == true)
        #expect(placement.hwthreads == 4)
    }

    @Test func aTopologyInAnotherOrderIsSortedBySocket() {
        let mixed = NodeTopology(cores: [[0], [1], [2], [3]], sockets: [[0, 2], [1, 3]])
        #expect(mixed.cores == [[0], [2], [1], [3]])
    }

    @Test func whatIsNotKnownIsLeftOut() {
        let cases: [(JobCapture.Node, NodeSharing)] = [
            (.init(name: "n1"), .multiUser), (.init(name: "n1", cores: [9]), .multiUser),
            (.init(name: "n1", cores: []), .singleUser),
        ]
        for (node, sharing) in cases {
            let placement = JobPlacement(
                run([node], sharing: sharing), nodes: ["n1"], topology: Self.topology, table: HardwareTable())
            #expect(placement.nodes == [.init(host: "n1", hwthreads: nil, accelerators: nil)])
            #expect(placement.source == nil)
        }
        // Indices that the topology does not have.
        let gpus = JobPlacement(
            run([.init(name: "n1", gpus: [0, 5])]), nodes: ["n1"], topology: Self.topology, table: HardwareTable())
        #expect(gpus.nodes[0].accelerators == nil)
    }

    @Test func theLadder() {
        let table = HardwareTable(
            accelerators: ["x": [0: "T0", 12: "T12"]], cores: ["x": [0: [0, 8], 1: [1, 9]], "x1": [0: [3], 1: [4]]])
        let byTable = JobPlacement(
            run([.init(name: "x2", cores: [1], gpus: [12])]), nodes: ["x2"], topology: Self.topology, table: table)
        #expect(byTable.nodes == [.init(host: "x2", hwthreads: [1, 9], accelerators: ["T12"])])
        #expect(byTable.source == .table)
        #expect(byTable.unknownNodes == ["x2"])
        // The longest beginning is meant.
        #expect(
            JobPlacement(run([.init(name: "x11", cores: [1])]), nodes: ["x11"], topology: nil, table: table).nodes[0]
                .hwthreads == [4])
        let whole = JobPlacement(run([], sharing: .none), nodes: ["n2"], topology: Self.topology, table: table)
        #expect(whole.nodes[0].hwthreads == Array(0...7))
        #expect(whole.source == .wholeNode)
    }

    @Test func nodesAreSpelledAsTheBackendDoes() {
        let topology = BackendTopology(groups: [
            .init(name: "a", nodes: BackendNodeList("n[01-16]-ib,login"), topology: nil),
            .init(name: "b", nodes: BackendNodeList("c1.example.org"), topology: nil),
        ])
        #expect(topology.find("n07-ib")?.host == "n07-ib")
        #expect(topology.find("n7-ib") == nil)
        #expect(topology.find("n17-ib") == nil)
        #expect(topology.find("login.example.org")?.host == "login")
        #expect(topology.find("c1")?.host == "c1.example.org")
        #expect(topology.find("log") == nil)
        #expect(BackendTopology(groups: [.init(name: "all", nodes: nil, topology: nil)]).find("any")?.host == "any")
    }

    @Test func metaDataIsBoundedAndWithoutSecrets() throws {
        var run = run([])
        run.capture?.script = "#!/bin/sh\nexport TOKEN=abc TOKEN=def\n" + String(repeating: "ä", count: 4000) + "\0"
        run.capture?.slurmInfo = "JobId=7"
        let data = MetaData(limit: 1024, withScript: true, secrets: try SecretPatterns(["TOKEN=\\w+"])).of(
            run, placementSource: .table)
        let script = try #require(data["jobScript"])
        #expect(script.hasPrefix("#!/bin/sh\nexport [removed] [removed]\n"))
        #expect(script.utf8.count <= 1024)
        #expect(script.hasSuffix(MetaData.cut))
        #expect(data["slurmInfo"] == "JobId=7")
        #expect(data["placementSource"] == "table")
        #expect(
            MetaData(limit: 1024, withScript: false, secrets: try SecretPatterns([])).of(run, placementSource: nil)[
                "jobScript"] == nil)
        #expect(throws: (any Error).self) { try SecretPatterns(["("]) }
    }

    @Test func messagesHaveWhatEachReleaseKnows() {
        var run = run([.init(name: "n1", cores: [0])])
        run.details.timeLimit = nil
        let placement = JobPlacement(run, nodes: ["n1"], topology: Self.topology, table: HardwareTable())
        for release in BackendRelease.allCases {
            let message = StartMessage(
                run, placement: placement, metaData: [:], tags: [("t", "n")], cluster: "lab", release: release)
            #expect((message.shared != nil) == (release == .v15))
            #expect((message.exclusive != nil) == (release != .v15))
            #expect((message.submitTime != nil) == (release == .v15))
            #expect((message.tags?.first?.scope != nil) == (release == .v14 || release == .v15))
            // No limit has no number.
            #expect(message.walltime == nil)
        }
        var task = run
        task.job = "5_3"
        #expect(task.arrayJobID == 5)
        #expect(run.arrayJobID == nil)
    }

    @Test func aListOfNodesIsReadInOnePass() {
        let list = BackendNodeList("a[01-16,20-29]b,login,n[1-9,01-99][1-9,01-99]x")
        for node in ["a01b", "a20b", "login", "n11x", "n0111x", "n111x"] { #expect(list.contains(node), "\(node)") }
        for node in ["a17b", "a1b", "a01", "", "n1x", "nx", "n\u{661}1x"] { #expect(!list.contains(node), "\(node)") }
        // It would not come back if it tried each way to read it.
        let many = BackendNodeList(String(repeating: "[0-9,00-99]", count: 60) + "x")
        #expect(!many.contains(String(repeating: "1", count: 100)))
    }
}
