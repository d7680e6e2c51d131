// SPDX-License-Identifier: GPL-3.0-or-later

/// Makes a job's environment from nothing: never the daemon's own.
///
/// The same names that sbatch would pass (sbatch(1), "OUTPUT ENVIRONMENT VARIABLES"), for what was asked for.
enum JobEnvironment {
    static let defaultPath = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"

    /// `name=value`, sorted by name.
    static func make(
        for request: JobRequest, account: UserAccount, workDirectory: String, submitHost: String
    ) -> [String] {
        var values: [String: String] = [
            "HOME": account.home,
            "USER": account.name,
            "LOGNAME": account.name,
            "SHELL": account.shell.isEmpty ? "/bin/sh" : account.shell,
        ]
        if request.environmentMode != .login {
            // What is set here wins over the login environment, which must keep its own (profile.d, modules).
            values["PATH"] = defaultPath
            values["LANG"] = "C.UTF-8"
        }
        values.merge(request.environment) { _, theirs in theirs }
        values["SLURM_SUBMIT_DIR"] = workDirectory
        values["SLURM_SUBMIT_HOST"] = submitHost
        values["SLURM_JOB_NAME"] = request.name
        values["SLURM_PRIO_PROCESS"] = "0"
        values["SLURM_UMASK"] = umask(request.umask)
        values["SLURM_NTASKS"] = request.tasks.map(String.init)
        values["SLURM_NPROCS"] = request.tasks.map(String.init)
        values["SLURM_NTASKS_PER_NODE"] = request.tasksPerNode.map(String.init)
        values["SLURM_CPUS_PER_TASK"] = request.cpusPerTask.map(String.init)
        switch request.memory {
        case .perNode(let megabytes): values["SLURM_MEM_PER_NODE"] = String(megabytes)
        case .perCPU(let megabytes): values["SLURM_MEM_PER_CPU"] = String(megabytes)
        case nil: break
        }
        values["SLURM_GPUS"] = request.gpusPerJob.map(gpus)
        values["SLURM_GPUS_PER_NODE"] = request.gpusPerNode.map(gpus)
        values["SLURM_GPUS_PER_TASK"] = request.gpusPerTask.map(gpus)
        switch request.environmentMode {
        case .login:
            values["SLURM_GET_USER_ENV"] = "1"
        case .minimal(let limits):
            for (name, value) in limits { values["SLURM_RLIMIT_\(name)"] = String(value) }
        }
        return values.map { "\($0.key)=\($0.value)" }.sorted()
    }

    /// As sbatch writes it: `0022`.
    static func umask(_ mask: UInt16) -> String {
        let digits = String(mask & 0o777, radix: 8)
        return "0" + String(repeating: "0", count: 3 - digits.count) + digits
    }

    private static func gpus(_ gpus: JobRequest.GPUs) -> String {
        (gpus.type.map { "\($0):" } ?? "") + String(gpus.count)
    }

    /// The limits that slurmd applies from `SLURM_RLIMIT_…` (slurm_rlimits_info.c of every release).
    static let limitNames: Set<String> = [
        "CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK", "AS",
    ]
}
