// SPDX-License-Identifier: GPL-3.0-or-later

internal import JobLifecycle
internal import Slurm

extension JobRequest {
    /// What a gateway asked for, as Slurm takes it.
    init(_ spec: JobSpec) {
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
    }
}
