// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
package import JobLifecycle
package import Slurm

extension JobRequest {
    /// What a gateway asked for, as Slurm takes it.
    package init(_ spec: JobSpec) {
        self.init(userID: spec.userID, script: spec.script, name: spec.name)
        comment = spec.comment
        partition = spec.partition
        account = spec.account
        qos = spec.qos
        tasks = spec.tasks
        cpusPerTask = spec.cpusPerTask
        memory = spec.memory.map {
            switch $0 {
            case .perCPU(let memory): .perCPU(memory)
            case .perNode(let memory): .perNode(memory)
            }
        }
        gpusPerJob = spec.gpus.flatMap { $0 > 0 ? GPUs($0) : nil }
        timeLimit = spec.timeLimit.map { .minutes(min($0, TimeLimit.maximumMinutes)) }
        standardOutput = spec.output
        umask = spec.umask
        take(spec.options)
    }

    private mutating func take(_ options: JobSpec.Options) {
        if let nodes = options.nodes { (minimumNodes, maximumNodes) = (nodes, nodes) }
        tasksPerNode = options.tasksPerNode
        minimumCPUsPerNode = options.minimumCPUsPerNode
        exclusive = options.exclusive.map {
            switch $0 {
            case .nodes: .nodes
            case .user: .user
            case .mcs: .mcs
            }
        }
        nice = options.nice
        gpusPerJob = GPUs(options.gpusPerJob) ?? gpusPerJob
        gpusPerNode = GPUs(options.gpusPerNode)
        gpusPerTask = GPUs(options.gpusPerTask)
        gresPerNode = options.gres.flatMap { GRES.list($0) } ?? []
        if options.isUnlimited == true { timeLimit = .unlimited }
        licenses = options.licenses
        reservation = options.reservation
        constraint = options.constraint
        nodeList = options.nodeList
        excludedNodes = options.excludedNodes
        wckey = options.wckey
        mcsLabel = options.mcsLabel
        array = options.array
        dependency = options.dependency
        beginTime = options.begin.map { Date(timeIntervalSince1970: Double($0)) }
        workDirectory = options.workDirectory
        standardError = options.standardError
        standardInput = options.standardInput ?? standardInput
        requeue = options.requeue ?? requeue
        mail = options.mailEvents.map { names in
            Mail(Set(names.compactMap(Mail.Event.init)), recipient: options.mailRecipient)
        }
    }
}

extension JobRequest.GPUs {
    fileprivate init?(_ list: [JobSpec.Options.GPUs]?) {
        guard let first = list?.first else { return nil }
        let others = list?.dropFirst().map { JobRequest.GPUs($0.count, type: $0.type) } ?? []
        self.init(first.count, type: first.type, others: others.isEmpty ? nil : others)
    }
}
