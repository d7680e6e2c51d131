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
        var lines: [String] = []
        lines.reserveCapacity(24 + request.environment.count)
        func set(_ name: String, _ value: String?) {
            if let value { lines.append(name + "=" + value) }
        }
        func setDefault(_ name: String, _ value: String) {
            if request.environment[name] == nil { set(name, value) }
        }
        setDefault("HOME", account.home)
        setDefault("USER", account.name)
        setDefault("LOGNAME", account.name)
        setDefault("SHELL", account.shell.isEmpty ? "/bin/sh" : account.shell)
        set("SLURM_SUBMIT_DIR", workDirectory)
        set("SLURM_SUBMIT_HOST", submitHost)
        set("SLURM_JOB_NAME", request.name)
        set("SLURM_PRIO_PROCESS", "0")
        set("SLURM_UMASK", umask(request.umask))
        set("SLURM_NTASKS", request.tasks.map(String.init))
        set("SLURM_NPROCS", request.tasks.map(String.init))
        set("SLURM_NTASKS_PER_NODE", request.tasksPerNode.map(String.init))
        set("SLURM_CPUS_PER_TASK", request.cpusPerTask.map(String.init))
        switch request.memory {
        case .perNode(let megabytes): set("SLURM_MEM_PER_NODE", String(megabytes))
        case .perCPU(let megabytes): set("SLURM_MEM_PER_CPU", String(megabytes))
        case nil: break
        }
        set("SLURM_GPUS", request.gpusPerJob.map(gpus))
        set("SLURM_GPUS_PER_NODE", request.gpusPerNode.map(gpus))
        set("SLURM_GPUS_PER_TASK", request.gpusPerTask.map(gpus))
        switch request.environmentMode {
        case .login:
            // PATH and LANG are the login's: what is set here would win over it (profile.d, modules).
            set("SLURM_GET_USER_ENV", "1")
        case .minimal(let limits):
            setDefault("PATH", defaultPath)
            setDefault("LANG", "C.UTF-8")
            for (name, value) in limits { set("SLURM_RLIMIT_" + name, String(value)) }
        }
        for (name, value) in request.environment {
            // A SLURM_ variable that is allowed may still be one of ours, and ours are the job's true ones.
            if name.hasPrefix("SLURM_"), lines.contains(where: { $0.hasPrefix(name + "=") }) { continue }
            set(name, value)
        }
        return lines.sorted()
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
