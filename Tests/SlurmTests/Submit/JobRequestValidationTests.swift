// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import Testing

@testable import Slurm

@Suite struct JobRequestValidationTests {
    /// A change that must be refused, and how the message must begin.
    struct Row: Sendable, CustomTestStringConvertible {
        var field: String
        var says: String
        var change: @Sendable (inout JobRequest) -> Void

        init(_ field: String, _ says: String, _ change: @escaping @Sendable (inout JobRequest) -> Void) {
            self.field = field
            self.says = says
            self.change = change
        }

        var testDescription: String { "\(field): \(says)" }
    }

    private func expectRefused(_ row: Row, policy: SubmitPolicy = .init()) {
        let error = #expect(throws: SlurmError.self) {
            try JobRequest.made(row.change).validate(policy: policy)
        }
        #expect(error?.code == .invalidRequest)
        #expect(error?.message.hasPrefix(row.field + ":") == true, "\(error?.message ?? "")")
        #expect(error?.message.contains(row.says) == true, "\(error?.message ?? "")")
        #expect(error?.mayHaveHappened == false)
    }

    @Test func takesAGoodRequest() throws {
        try JobRequest.made().validate(policy: .init())
    }

    @Test(arguments: [
        Row("user", "root") { $0.userID = 0 },
        Row("user", "reserved") { $0.userID = .max },
        Row("user", "reserved") { $0.userID = .max - 1 },
        Row("user", "reserved") { $0.userID = 0xffff_fffb },
        Row("group", "gid 0") { $0.groupID = 0 },
        Row("group", "reserved") { $0.groupID = .max },
        Row("group", "reserved") { $0.groupID = 0xffff_fffe },
    ])
    func owner(_ row: Row) {
        expectRefused(row)
    }

    @Test func policyOfOwners() throws {
        var policy = SubmitPolicy()
        policy.minimumUserID = 1001
        expectRefused(Row("user", "below") { _ in }, policy: policy)
        policy.allowRoot = true
        expectRefused(Row("user", "below") { _ in }, policy: policy)
        let root = JobRequest.made {
            $0.userID = 0
            $0.groupID = 0
        }
        try root.validate(policy: policy)
        try JobRequest.made { $0.userID = 1001 }.validate(policy: policy)
    }

    @Test(arguments: [
        Row("script", "empty") { $0.script = "" },
        Row("script", "#!") { $0.script = "echo hi\n" },
        Row("script", "#!") { $0.script = "\n#!/bin/sh\n" },
        Row("script", "#!") { $0.script = " #!/bin/sh\n" },
        Row("script", "#!") { $0.script = "\u{feff}#!/bin/sh\n" },
        Row("script", "Windows") { $0.script = "#!/bin/sh\r\ntrue\r\n" },
        Row("script", "Windows") { $0.script = "#!/bin/sh\ntrue\r" },
        Row("script", "NUL") { $0.script = "#!/bin/sh\n\0" },
    ])
    func script(_ row: Row) {
        expectRefused(row)
    }

    @Test("what means something at 0 to sbatch is taken: all memory of the node, no GPUs")
    func zeroes() throws {
        for change: (inout JobRequest) -> Void in [
            { $0.memory = .perNode(0) }, { $0.memory = .perCPU(0) }, { $0.gpusPerJob = .init(0) },
            { $0.gpusPerNode = .init(0, type: "a100") }, { $0.gpusPerTask = .init(0) },
            { $0.gresPerNode = [GRES(name: "gpu", count: 0)] },
        ] {
            try JobRequest.made(change).validate(policy: .init())
        }
    }

    @Test func scriptSizeIsTheClusters() throws {
        let request = JobRequest.made { $0.script = "#!/bin/sh\n" + String(repeating: "é", count: 45) }
        try request.validateScriptSize(limit: 100)
        let error = #expect(throws: SlurmError.self) {
            try request.validateScriptSize(limit: 99)
        }
        #expect(error?.message.contains("100 bytes") == true && error?.message.contains("99") == true)
    }

    /// Every text field with the path to it and its bound.
    struct Text: Sendable, CustomTestStringConvertible {
        var field: String
        var limit: Int
        var set: @Sendable (inout JobRequest, String) -> Void

        init(_ field: String, _ limit: Int, _ set: @escaping @Sendable (inout JobRequest, String) -> Void) {
            self.field = field
            self.limit = limit
            self.set = set
        }

        var testDescription: String { field }
    }

    static let texts: [Text] = [
        Text("name", 1024) { $0.name = $1 }, Text("comment", 1024) { $0.comment = $1 },
        Text("admin comment", 1024) { $0.adminComment = $1 }, Text("partition", 1024) { $0.partition = $1 },
        Text("account", 1024) { $0.account = $1 }, Text("qos", 1024) { $0.qos = $1 },
        Text("wckey", 1024) { $0.wckey = $1 }, Text("MCS label", 1024) { $0.mcsLabel = $1 },
        Text("reservation", 1024) { $0.reservation = $1 }, Text("constraint", 1024) { $0.constraint = $1 },
        Text("licenses", 1024) { $0.licenses = $1 }, Text("dependency", 128 << 10) { $0.dependency = $1 },
        Text("array", 4096) { $0.array = $1 }, Text("node list", 128 << 10) { $0.nodeList = $1 },
        Text("excluded nodes", 128 << 10) { $0.excludedNodes = $1 },
        Text("work directory", 4096) { $0.workDirectory = "/" + $1.dropFirst() },
        Text("standard output", 4096) { $0.standardOutput = $1 },
        Text("standard error", 4096) { $0.standardError = $1 },
        Text("standard input", 4096) { $0.standardInput = $1 },
        Text("mail recipient", 1024) { $0.mail = .init([.end], recipient: $1) },
    ]

    @Test(arguments: texts)
    func lengths(_ text: Text) throws {
        let isList = text.field.hasSuffix("list") || text.field.hasSuffix("nodes")
        @Sendable func filled(_ count: Int) -> String {
            isList
                ? String(String(repeating: "n12345678,", count: count / 10 + 1).prefix(count))
                : String(repeating: "a", count: count)
        }
        try JobRequest.made { text.set(&$0, filled(text.limit)) }.validate(policy: .init())
        expectRefused(Row(text.field, "at most \(text.limit)") { text.set(&$0, filled(text.limit + 1)) })
        // Bytes count, not characters.
        expectRefused(
            Row(text.field, "at most \(text.limit)") {
                text.set(&$0, "/" + String(repeating: "é", count: text.limit / 2 + 1))
            })
    }

    @Test(arguments: texts, ["\n", "\r", "\t", "\0", "\u{1b}[31m", "\u{7f}"])
    func controlCharacters(_ text: Text, _ character: String) {
        expectRefused(Row(text.field, "control character") { text.set(&$0, "/a\(character)b") })
    }

    @Test(arguments: texts.filter { !["comment", "work directory"].contains($0.field) })
    func emptyTexts(_ text: Text) {
        expectRefused(Row(text.field, "empty") { text.set(&$0, "") })
    }

    @Test func anEmptyCommentIsNone() throws {
        try JobRequest.made { $0.comment = "" }.validate(policy: .init())
    }

    @Test(arguments: [
        Row("work directory", "empty") { $0.workDirectory = "" },
        Row("work directory", "absolute") { $0.workDirectory = "tmp" },
        Row("work directory", "absolute") { $0.workDirectory = "./tmp" },
        Row("work directory", "absolute") { $0.workDirectory = "~/tmp" },
        Row("node list", "host list") { $0.nodeList = "n[1-" },
        Row("node list", "host list") { $0.nodeList = "n[1-9999999]" },
        Row("excluded nodes", "host list") { $0.excludedNodes = "n1]" },
        Row("argument 2", "NUL") { $0.arguments = ["a", "b\0c"] },
    ])
    func pathsAndLists(_ row: Row) {
        expectRefused(row)
    }

    @Test(arguments: [
        Row("nodes", "is 0") { $0.minimumNodes = 0 },
        Row("nodes", "at most") { $0.minimumNodes = 0xffff_fffc },
        Row("maximum nodes", "is 0") { $0.maximumNodes = 0 },
        Row("maximum nodes", "at most") { $0.maximumNodes = .max },
        Row("maximum nodes", "less than") {
            $0.minimumNodes = 3
            $0.maximumNodes = 2
        },
        Row("tasks", "is 0") { $0.tasks = 0 },
        Row("tasks", "at most") { $0.tasks = 0xffff_fffe },
        Row("tasks per node", "is 0") { $0.tasksPerNode = 0 },
        Row("tasks per node", "at most") { $0.tasksPerNode = 0xfffd },
        Row("tasks per node", "at most") { $0.tasksPerNode = 0x1_0001 },
        Row("CPUs per task", "is 0") { $0.cpusPerTask = 0 },
        Row("CPUs per task", "at most") { $0.cpusPerTask = 0xfffe },
        Row("minimum CPUs per node", "is 0") { $0.minimumCPUsPerNode = 0 },
        Row("minimum CPUs per node", "at most") { $0.minimumCPUsPerNode = 0xffff },
        Row("tasks × CPUs per task", "more than") {
            $0.tasks = 1 << 20
            $0.cpusPerTask = 1 << 13
        },
        Row("tasks × CPUs per task", "more than") {
            $0.minimumNodes = 1 << 20
            $0.tasksPerNode = 1 << 13
        },
        Row("GPUs", "at most") { $0.gpusPerJob = .init(1, others: [.init(.max, type: "a100")]) },
        Row("GPUs per task", "at most") { $0.gpusPerTask = .init(.max) },
        Row("memory", "more than any") { $0.memory = .perNode(1 << 53) },
        Row("memory", "more than any") { $0.memory = .perCPU(1 << 63 | 1) },
        Row("time limit", "0 minutes") { $0.timeLimit = .minutes(0) },
        Row("time limit", "reserved") { $0.timeLimit = .minutes(.max) },
        Row("time limit", "reserved") { $0.timeLimit = .minutes(.max - 1) },
        Row("umask", "01000") { $0.umask = 0o1000 },
        Row("begin time", "between") { $0.beginTime = Date(timeIntervalSince1970: -1) },
        Row("begin time", "between") { $0.beginTime = Date(timeIntervalSince1970: 1e18) },
        Row("begin time", "between") { $0.beginTime = Date(timeIntervalSince1970: .nan) },
        Row("GPU type", "letters") { $0.gpusPerJob = .init(1, type: "") },
        Row("GPU type", "letters") { $0.gpusPerNode = .init(1, type: "a:1,gres:x") },
        Row("GPU type", "letters") { $0.gpusPerTask = .init(1, type: "é") },
        Row("GPU type", "at most 64") { $0.gpusPerTask = .init(1, type: String(repeating: "a", count: 65)) },
        Row("gres name", "letters") { $0.gresPerNode = [GRES(name: "a,b", count: 1)] },
        Row("gres type", "letters") { $0.gresPerNode = [GRES(name: "shard", type: "a b", count: 1)] },
        Row("gres shard", "too large") { $0.gresPerNode = [GRES(name: "shard", count: 1 << 53)] },
    ])
    func counts(_ row: Row) {
        expectRefused(row)
    }

    @Test(arguments: [
        Row("", "") { $0.minimumNodes = 0xffff_fffb },
        Row("", "") { $0.tasks = 0xffff_fffb },
        Row("", "") { $0.tasksPerNode = 0xfffc },
        Row("", "") { $0.cpusPerTask = 0xfffc },
        Row("", "") { $0.memory = .perNode(1 << 53 - 1) },
        Row("", "") { $0.timeLimit = .minutes(TimeLimit.maximumMinutes) },
        Row("", "") { $0.timeLimit = .unlimited },
        Row("", "") { $0.umask = 0o777 },
        Row("", "") { $0.beginTime = Date(timeIntervalSince1970: 0) },
        Row("", "") { $0.gpusPerNode = .init(1, type: "NVIDIA_A100-80.x") },
        Row("", "") { $0.environment = ["A": "", "_b2": "x=y\nz"] },
        Row("", "") { $0.environmentMode = .minimal(limits: ["NOFILE": 1024, "CORE": 0]) },
    ])
    func boundsThatFit(_ row: Row) throws {
        try JobRequest.made(row.change).validate(policy: .init())
    }

    @Test(arguments: [
        Row("environment", "no name") { $0.environment = ["": "x"] },
        Row("environment", "no name") { $0.environment = ["1A": "x"] },
        Row("environment", "no name") { $0.environment = ["A B": "x"] },
        Row("environment", "no name") { $0.environment = ["A=B": "x"] },
        Row("environment", "no name") { $0.environment = ["A\n": "x"] },
        Row("environment", "no name") { $0.environment = ["é": "x"] },
        Row("environment", "NUL") { $0.environment = ["A": "x\0y"] },
        Row("environment", "SLURM_JOB_ID") { $0.environment = ["SLURM_JOB_ID": "7"] },
        Row("environment", "SLURM_GET_USER_ENV") { $0.environment = ["SLURM_GET_USER_ENV": "1"] },
        Row("limits", "nofile") { $0.environmentMode = .minimal(limits: ["nofile": 1]) },
        Row("limits", "X") { $0.environmentMode = .minimal(limits: ["X": 1]) },
    ])
    func environment(_ row: Row) {
        expectRefused(row)
    }

    @Test func policyMayAllowASlurmVariable() throws {
        var policy = SubmitPolicy()
        policy.allowedSlurmVariables = ["SLURM_EXPORT_ENV"]
        try JobRequest.made { $0.environment = ["SLURM_EXPORT_ENV": "ALL"] }.validate(policy: policy)
        expectRefused(Row("environment", "SLURM_X") { $0.environment = ["SLURM_X": "1"] }, policy: policy)
    }
}
