// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import Slurm

/// A job as `--json` prints it: absent means "Slurm does not say"; times are Unix seconds, memory is MB.
struct JobDocument: Encodable {
    struct Exit: Encodable {
        var code: UInt8
        var signal: UInt8
        var raw: UInt32

        init(_ exit: ExitStatus) {
            (code, signal, raw) = (exit.code, exit.signal, exit.raw)
        }
    }

    struct ArrayTask: Encodable {
        var jobId: UInt32
        var taskId: UInt32?
        var pendingTasks: String?
        var maximumRunning: UInt32?
    }

    struct Heterogeneous: Encodable {
        var leaderId: UInt32
        var offset: UInt32
        var componentIds: String?
    }

    struct Requested: Encodable {
        var tres: String?
        var tresPerJob: String?
        var tresPerNode: String?
        var tresPerSocket: String?
        var tresPerTask: String?
        var memoryPerNode: UInt64?
        var memoryPerCpu: UInt64?
        var minimumNodes: UInt32
        var maximumNodes: UInt32?
        var tasks: UInt32?
        var tasksPerNode: UInt32?
        var cpusPerTask: UInt32?
        var minimumCpusPerNode: UInt32?
        var nodes: String?
        var excludedNodes: String?
        var features: String?
        var licenses: String?
        var exclusive: String
    }

    struct NodeShare: Encodable {
        var node: String
        var cores: [UInt32]?
        var coresSource: String?
        var cpus: UInt32?
        var cpusSource: String?
        var memory: UInt64?
        var memorySource: String?
        var gres: [GRES]?
        var gresSource: String?
    }

    var id: UInt32
    var displayId: String
    var array: ArrayTask?
    var heterogeneous: Heterogeneous?
    var sluid: UInt64?
    var name: String
    var userId: UInt32
    var groupId: UInt32
    var userName: String?
    var account: String?
    var partition: String?
    var qos: String?
    var wckey: String?
    var mcsLabel: String?
    var cluster: String?
    var state: String
    var stateFlags: [String]
    var hasEnded: Bool
    var held: Bool
    var reason: String
    var reasonDetail: String?
    var exit: Exit
    var derivedExit: Exit
    var restartCount: UInt32
    var requeue: Bool
    var priority: UInt32
    var nice: Int64
    var dependency: String?
    var reservation: String?
    var submitTime: Date?
    var eligibleTime: Date?
    var startTime: Date?
    var endTime: Date?
    var deadline: Date?
    var suspendTime: Date?
    var runTimeBeforeSuspension: UInt64
    var resizeTime: Date?
    var preemptTime: Date?
    var timeLimitMinutes: UInt32?
    var timeLimitUnlimited: Bool
    var requested: Requested
    var allocatedTres: String?
    var nodes: String?
    var nodeCount: UInt32
    var cpuCount: UInt32
    var batchHost: String?
    var scheduledNodes: String?
    var gresPerNode: [String]
    var comment: String?
    var adminComment: String?
    var systemComment: String?
    var workDirectory: String?
    var command: String?
    var standardOutput: String?
    var standardError: String?
    var standardInput: String?
    var submitHost: String?
    var batch: Bool
    var placement: [NodeShare]?

    init(_ job: Job, placement: Placement? = nil) {
        id = job.id
        displayId = job.displayID.description
        array = job.array.map {
            ArrayTask(
                jobId: $0.jobID, taskId: $0.taskID, pendingTasks: $0.pendingTasks, maximumRunning: $0.maximumRunning)
        }
        heterogeneous = job.heterogeneous.map {
            Heterogeneous(leaderId: $0.leaderID, offset: $0.offset, componentIds: $0.componentIDs)
        }
        sluid = job.sluid
        name = job.name
        userId = job.userID
        groupId = job.groupID
        userName = job.userName
        account = job.account
        partition = job.partition
        qos = job.qos
        wckey = job.wckey
        mcsLabel = job.mcsLabel
        cluster = job.cluster
        let parts = job.state.description.split(separator: "+").map(String.init)
        state = parts.first ?? ""
        stateFlags = Array(parts.dropFirst())
        hasEnded = job.state.hasEnded
        held = job.isHeld
        reason = job.reason.description
        reasonDetail = job.reasonDetail
        exit = Exit(job.exit)
        derivedExit = Exit(job.derivedExit)
        restartCount = job.restartCount
        requeue = job.requeue
        priority = job.priority
        nice = job.nice
        dependency = job.dependency
        reservation = job.reservation
        submitTime = job.submitTime
        eligibleTime = job.eligibleTime
        startTime = job.startTime
        endTime = job.endTime
        deadline = job.deadline
        suspendTime = job.suspendTime
        runTimeBeforeSuspension = job.runTimeBeforeSuspension
        resizeTime = job.resizeTime
        preemptTime = job.preemptTime
        if case .minutes(let minutes) = job.timeLimit { timeLimitMinutes = minutes }
        timeLimitUnlimited = job.timeLimit == .unlimited
        requested = Requested(job.requested)
        allocatedTres = job.allocatedTRES?.text
        nodes = job.nodes
        nodeCount = job.nodeCount
        cpuCount = job.cpuCount
        batchHost = job.batchHost
        scheduledNodes = job.scheduledNodes
        gresPerNode = job.gresPerNode
        comment = job.comment
        adminComment = job.adminComment
        systemComment = job.systemComment
        workDirectory = job.workDirectory
        command = job.command
        standardOutput = job.standardOutput
        standardError = job.standardError
        standardInput = job.standardInput
        submitHost = job.submitHost
        batch = job.isBatch
        self.placement = placement?.nodes.map {
            NodeShare(
                node: $0.node, cores: $0.cores, coresSource: $0.coresSource?.rawValue, cpus: $0.cpus,
                cpusSource: $0.cpusSource?.rawValue, memory: $0.memory, memorySource: $0.memorySource?.rawValue,
                gres: $0.gres, gresSource: $0.gresSource?.rawValue)
        }
    }
}

extension JobDocument.Requested {
    init(_ requested: Job.Resources) {
        tres = requested.tres?.text
        tresPerJob = requested.tresPerJob
        tresPerNode = requested.tresPerNode
        tresPerSocket = requested.tresPerSocket
        tresPerTask = requested.tresPerTask
        if case .perNode(let megabytes) = requested.memory { memoryPerNode = megabytes }
        if case .perCPU(let megabytes) = requested.memory { memoryPerCpu = megabytes }
        minimumNodes = requested.minimumNodes
        maximumNodes = requested.maximumNodes
        tasks = requested.tasks
        tasksPerNode = requested.tasksPerNode
        cpusPerTask = requested.cpusPerTask
        minimumCpusPerNode = requested.minimumCPUsPerNode
        nodes = requested.nodes
        excludedNodes = requested.excludedNodes
        features = requested.features
        licenses = requested.licenses
        exclusive =
            switch requested.exclusive {
            case .exclusive: "exclusive"
            case .user: "user"
            case .mcs: "mcs"
            case .oversubscribe: "oversubscribe"
            case .shared: "shared"
            }
    }
}
