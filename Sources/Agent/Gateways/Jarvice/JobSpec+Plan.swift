// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser
internal import FoundationEssentials
internal import Jarvice
internal import JobLifecycle
internal import Slurm

/// What a JARVICE job asks for, in the ledger's form. Values are read as `slurm-grid-agent submit` reads them.
extension JobSpec {
    init(_ plan: JobPlan) throws(JarviceError) {
        self.init(userID: plan.user.userID, script: plan.script, name: plan.name)
        output = "/dev/null"  // the script opens its own, whatever is in its name
        tasks = plan.tasks
        memory = plan.memory.map { .perNode(UInt64($0) * 1024) }
        partition = plan.partition
        options.nodes = plan.nodes
        options.gpusPerNode = plan.gpusPerNode.map { [.init(count: $0)] }
        options.exclusive = plan.isExclusive ? .nodes : nil
        options.licenses = plan.licenses
        options.workDirectory = plan.user.home
        options.staysHeld = plan.isHeld ? true : nil
        // As sbatch has it where slurm.conf says nothing else.
        options.requeue = true
        if let text = plan.timeLimit { try setTimeLimit("JOBOBJ_WALLTIME", text) }
        for (option, value) in plan.options.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            try take(option, value)
        }
        guard options.mailRecipient == nil || options.mailEvents != nil else {
            throw JarviceError(.refused, "device sbatch_mail-user= needs sbatch_mail-type=")
        }
    }

    private mutating func setTimeLimit(_ what: String, _ text: String) throws(JarviceError) {
        switch TimeLimit(text) {
        case .minutes(let minutes)?: (timeLimit, options.isUnlimited) = (minutes, nil)
        case .unlimited?: (timeLimit, options.isUnlimited) = (nil, true)
        case nil: throw JarviceError(.refused, "\(what) is \"\(text.prefix(64))\", which is no time limit of Slurm's")
        }
    }

    private mutating func take(_ option: SbatchOption, _ value: String) throws(JarviceError) {
        func read<Value: ExpressibleByArgument>(_ type: Value.Type) throws(JarviceError) -> Value {
            guard let read = Value(argument: value) else { throw Self.unreadable(option, value) }
            return read
        }
        switch option {
        case .account: account = value
        case .array: options.array = value
        case .begin: options.begin = Int64(try read(BeginOption.self).date.timeIntervalSince1970)
        case .chdir: options.workDirectory = value
        case .comment: comment = value
        case .constraint: options.constraint = value
        case .cpusPerTask: cpusPerTask = try read(UInt32.self)
        case .dependency: options.dependency = value
        case .error: options.standardError = value
        case .exclude: options.excludedNodes = value
        case .exclusive:
            guard let mode = Options.Exclusive(rawValue: value), mode != .nodes else {
                throw Self.unreadable(option, value)
            }
            options.exclusive = mode
        case .gpus: options.gpusPerJob = Self.gpus(try read(GPUCount.self).gpus)
        case .gpusPerNode: options.gpusPerNode = Self.gpus(try read(GPUCount.self).gpus)
        case .gpusPerTask: options.gpusPerTask = Self.gpus(try read(GPUCount.self).gpus)
        case .gres: options.gres = try read(GRESList.self).list.map(\.description).joined(separator: ",")
        case .input: options.standardInput = value
        case .licenses: options.licenses = value
        case .mailType: options.mailEvents = try read(MailEvents.self).events.map(\.rawValue).sorted()
        case .mailUser: options.mailRecipient = value
        case .mcsLabel: options.mcsLabel = value
        case .memory: memory = .perNode(try read(MemorySize.self).megabytes)
        case .memoryPerCPU: memory = .perCPU(try read(MemorySize.self).megabytes)
        case .minimumCPUs: options.minimumCPUsPerNode = try read(UInt32.self)
        case .nodeList: options.nodeList = value
        case .partition: partition = value
        case .qos: qos = value
        case .reservation: options.reservation = value
        case .tasksPerNode: options.tasksPerNode = try read(UInt32.self)
        case .time: try setTimeLimit("device sbatch_time=", value)
        case .wckey: options.wckey = value
        // The job's own fields have won already.
        case .jobName, .output, .tasks, .nodes: break
        }
    }

    private static func unreadable(_ option: SbatchOption, _ value: String) -> JarviceError {
        JarviceError(.refused, "device sbatch_\(option.rawValue)=: sbatch would not take \"\(value.prefix(64))\"")
    }

    private static func gpus(_ gpus: JobRequest.GPUs) -> [Options.GPUs] {
        ([gpus] + (gpus.others ?? [])).map { Options.GPUs(count: $0.count, type: $0.type) }
    }
}
