// SPDX-License-Identifier: GPL-3.0-or-later

import CSlurm
import FoundationEssentials
import Testing

@testable import Slurm

/// The C message that goes to slurmctld.
@Suite struct JobDescriptionTests {
    private func describe(cluster: String? = nil, _ change: (inout JobRequest) -> Void = { _ in }) -> JobDescription {
        JobDescription(.made(change), account: .tester, groupID: 1001, submitHost: "ctl", cluster: cluster)
    }

    private func text(_ bytes: UnsafeMutablePointer<CChar>?) -> String? { bytes.map { String(cString: $0) } }

    @Test func theLeastRequest() {
        let description = describe()
        description.withMessage { pointer in
            let message = pointer.pointee
            #expect(message.user_id == 1000)
            #expect(message.group_id == 1001)
            #expect(text(message.script) == "#!/bin/sh\ntrue\n")
            #expect(message.argc == 1)
            #expect(text(message.argv[0]) == "job")
            #expect(message.argv[1] == nil)
            #expect(message.env_size >= 1)
            #expect(text(message.work_dir) == "/home/labu1")
            #expect(text(message.name) == "job")
            #expect(text(message.alloc_node) == "ctl")
            #expect(text(message.std_in) == "/dev/null")
            #expect(message.std_out == nil && message.std_err == nil)
            #expect(message.partition == nil && message.account == nil && message.clusters == nil)
            #expect(message.requeue == 0)
            #expect(message.priority == cs_NO_VAL)
            #expect(message.time_limit == cs_NO_VAL)
            #expect(message.num_tasks == cs_NO_VAL)
            #expect(message.min_cpus == 1)
            #expect(message.bitflags & (cs_JOB_NTASKS_SET | cs_JOB_CPUS_SET) == 0)
            #expect(message.tres_per_job == nil && message.tres_per_node == nil && message.tres_per_task == nil)
            #expect(message.shared == cs_NO_VAL16)
            #expect(message.pn_min_memory == cs_NO_VAL64)
            #expect(message.alloc_sid == cs_NO_VAL, "libslurm puts the process's own in")
        }
    }

    @Test func session() {
        let description = describe { $0.session = 4_194_305 }
        #expect(description.withMessage { $0.pointee.alloc_sid } == 4_194_305)
    }

    @Test("nice lowers the priority, as sbatch does it; without one slurmctld decides")
    func nice() {
        #expect(describe().withMessage { $0.pointee.nice } == cs_NO_VAL)
        for (given, wanted) in [(0, 0x8000_0000), (1, 0x8000_0001), (.max, 0xffff_fffd)] as [(UInt32, UInt32)] {
            #expect(describe { $0.nice = given }.withMessage { $0.pointee.nice } == wanted)
        }
    }

    @Test func everyText() {
        let description = describe(cluster: "here") {
            $0.arguments = ["a b", ""]
            $0.comment = "c"
            $0.adminComment = "ac"
            $0.workDirectory = "/w"
            $0.standardOutput = "o"
            $0.standardError = "e"
            $0.standardInput = "i"
            $0.partition = "p"
            $0.account = "a"
            $0.qos = "q"
            $0.wckey = "wk"
            $0.mcsLabel = "m"
            $0.reservation = "r"
            $0.constraint = "f"
            $0.nodeList = "n1"
            $0.excludedNodes = "n2"
            $0.licenses = "l"
            $0.array = "0-9%2"
            $0.dependency = "afterok:1"
        }
        description.withMessage { pointer in
            let message = pointer.pointee
            let found = [
                message.comment, message.admin_comment, message.work_dir, message.std_out, message.std_err,
                message.std_in,
                message.partition, message.account, message.qos, message.wckey, message.mcs_label, message.reservation,
                message.features, message.req_nodes, message.exc_nodes, message.licenses, message.array_inx,
                message.dependency, message.clusters, message.argv[1], message.argv[2],
            ].map(text)
            #expect(
                found == [
                    "c", "ac", "/w", "o", "e", "i", "p", "a", "q", "wk", "m", "r", "f", "n1", "n2", "l", "0-9%2",
                    "afterok:1", "here", "a b", "",
                ])
            #expect(message.argc == 3)
        }
    }

    @Test func environmentIsTheJobsOwn() {
        let description = describe { $0.workDirectory = "/w" }
        description.withMessage { pointer in
            let message = pointer.pointee
            let found = (0..<Int(message.env_size)).compactMap { text(message.environment[$0]) }
            let request = JobRequest.made { $0.workDirectory = "/w" }
            #expect(
                found == JobEnvironment.make(for: request, account: .tester, workDirectory: "/w", submitHost: "ctl"))
            #expect(message.environment[Int(message.env_size)] == nil)
        }
    }

    struct Counts: Sendable, CustomTestStringConvertible {
        var name: String
        var minimumCPUs: UInt32
        var tasks: UInt32
        var flags: UInt64 = 0
        var change: @Sendable (inout JobRequest) -> Void

        var testDescription: String { name }
    }

    /// What sbatch 22.05.8 asks for: the CPUs in its requested TRES.
    @Test(arguments: [
        Counts(name: "-n4 -c2", minimumCPUs: 8, tasks: 4, flags: cs_JOB_NTASKS_SET | cs_JOB_CPUS_SET) {
            $0.tasks = 4
            $0.cpusPerTask = 2
        },
        Counts(name: "-n4", minimumCPUs: 4, tasks: 4, flags: cs_JOB_NTASKS_SET) { $0.tasks = 4 },
        Counts(name: "-c2", minimumCPUs: 2, tasks: cs_NO_VAL, flags: cs_JOB_CPUS_SET) { $0.cpusPerTask = 2 },
        Counts(name: "-N2", minimumCPUs: 2, tasks: cs_NO_VAL) {
            $0.minimumNodes = 2
            $0.maximumNodes = 2
        },
        Counts(name: "-N2 -c3", minimumCPUs: 6, tasks: cs_NO_VAL, flags: cs_JOB_CPUS_SET) {
            $0.minimumNodes = 2
            $0.cpusPerTask = 3
        },
        Counts(name: "-N2 --ntasks-per-node=2", minimumCPUs: 4, tasks: 4) {
            $0.minimumNodes = 2
            $0.maximumNodes = 2
            $0.tasksPerNode = 2
        },
        Counts(name: "--ntasks-per-node=4", minimumCPUs: 4, tasks: 4) { $0.tasksPerNode = 4 },
        Counts(name: "-n3 -N2 --ntasks-per-node=2", minimumCPUs: 3, tasks: 3, flags: cs_JOB_NTASKS_SET) {
            $0.tasks = 3
            $0.minimumNodes = 2
            $0.tasksPerNode = 2
        },
        Counts(
            name: "the most that validates", minimumCPUs: 0xffff_fffb, tasks: 0xffff_fffb, flags: cs_JOB_NTASKS_SET
        ) { $0.tasks = 0xffff_fffb },
    ])
    func counts(_ row: Counts) {
        let description = describe { row.change(&$0) }
        description.withMessage { pointer in
            let message = pointer.pointee
            #expect(message.min_cpus == row.minimumCPUs)
            #expect(message.num_tasks == row.tasks)
            // sbatch sets JOB_NTASKS_SET for derived tasks too; slurmctld takes both alike.
            #expect(message.bitflags & cs_JOB_CPUS_SET == row.flags & cs_JOB_CPUS_SET)
            if row.flags & cs_JOB_NTASKS_SET != 0 { #expect(message.bitflags & cs_JOB_NTASKS_SET != 0) }
        }
    }

    @Test func nodesAndPerNodeCounts() {
        let description = describe {
            $0.minimumNodes = 2
            $0.maximumNodes = 5
            $0.tasksPerNode = 3
            $0.minimumCPUsPerNode = 6
        }
        #expect(description.message.min_nodes == 2)
        #expect(description.message.max_nodes == 5)
        #expect(description.message.ntasks_per_node == 3)
        #expect(description.message.pn_min_cpus == 6)
    }

    @Test func memory() {
        #expect(describe { $0.memory = .perNode(512) }.message.pn_min_memory == 512)
        #expect(describe { $0.memory = .perNode(0) }.message.pn_min_memory == 0)
        // 22.05.8's own number for --mem-per-cpu=50.
        #expect(describe { $0.memory = .perCPU(50) }.message.pn_min_memory == 0x8000_0000_0000_0032)
    }

    /// The forms are those that slurmctld 22.05.8 shows for sbatch's own jobs.
    @Test func genericResources() {
        let description = describe {
            $0.gpusPerJob = .init(1)
            $0.gpusPerTask = .init(1, type: "a100")
            $0.gpusPerNode = .init(2, type: "v100")
            $0.gresPerNode = [
                GRES(name: "bandwidth", type: "lustre", count: 1500), GRES(name: "craynetwork", count: 1),
            ]
        }
        let message = description.message
        #expect(text(message.tres_per_job) == "gres:gpu:1")
        #expect(text(message.tres_per_task) == "gres:gpu:a100:1")
        #expect(text(message.tres_per_node) == "gres:gpu:v100:2,gres:bandwidth:lustre:1500,gres:craynetwork:1")
    }

    @Test func timesAndPriority() {
        let description = describe {
            $0.hold = true
            $0.requeue = true
            $0.timeLimit = .minutes(90)
            $0.beginTime = Date(timeIntervalSince1970: 1_800_000_000)
        }
        #expect(description.message.priority == 0)
        #expect(description.message.requeue == 1)
        #expect(description.message.time_limit == 90)
        #expect(description.message.begin_time == 1_800_000_000)
        #expect(describe { $0.timeLimit = .unlimited }.message.time_limit == cs_INFINITE)
    }

    @Test(
        arguments: [
            (.nodes, JOB_SHARED_NONE), (.oversubscribe, JOB_SHARED_OK), (.user, JOB_SHARED_USER),
            (.mcs, JOB_SHARED_MCS),
        ] as [(JobRequest.Exclusive, Int32)])
    func sharing(_ exclusive: JobRequest.Exclusive, _ shared: Int32) {
        #expect(Int32(describe { $0.exclusive = exclusive }.message.shared) == shared)
    }

    @Test func mail() {
        let description = describe { $0.mail = .init([.begin, .end, .timeLimit80], recipient: "x@example.org") }
        #expect(
            description.message.mail_type == cs_MAIL_JOB_BEGIN | cs_MAIL_JOB_END | cs_MAIL_JOB_TIME80)
        #expect(text(description.message.mail_user) == "x@example.org")
        let all = JobRequest.Mail.Event.allCases.map { event in describe { $0.mail = .init([event]) }.message.mail_type
        }
        #expect(Set(all).count == all.count)
        #expect(all.allSatisfy { $0.nonzeroBitCount == 1 })
    }

    @Test func anUpdateNamesItsJob() {
        let update = JobDescription(update: JobID(12, .arrayTask(3))) { message, owner in
            message.comment = owner.copy("new")
        }
        #expect(text(update.message.job_id_str) == "12_3")
        #expect(text(update.message.comment) == "new")
        #expect(update.message.priority == cs_NO_VAL)
    }
}
