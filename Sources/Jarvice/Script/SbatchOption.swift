// SPDX-License-Identifier: GPL-3.0-or-later

/// A long option of sbatch that a device `sbatch_X=V` may set. Its value is taken literally: no shell ever reads it.
public enum SbatchOption: String, Sendable, Hashable, CaseIterable {
    case account, array, begin, chdir, comment, constraint
    case cpusPerTask = "cpus-per-task"
    case dependency, error, exclude, exclusive, gpus
    case gpusPerNode = "gpus-per-node"
    case gpusPerTask = "gpus-per-task"
    case gres, input, licenses
    case mailType = "mail-type"
    case mailUser = "mail-user"
    case mcsLabel = "mcs-label"
    case memory = "mem"
    case memoryPerCPU = "mem-per-cpu"
    case minimumCPUs = "mincpus"
    case nodeList = "nodelist"
    case partition, qos, reservation
    case tasksPerNode = "ntasks-per-node"
    case time, wckey
    /// What the job's own fields say wins over these.
    case jobName = "job-name"
    case output
    case tasks = "ntasks"
    case nodes

    /// The job's own fields come later on sbatch's command line.
    public var isOverridden: Bool {
        switch self {
        case .jobName, .output, .tasks, .nodes: true
        default: false
        }
    }

    init(named name: String, value: String) throws(JarviceError) {
        guard !value.isEmpty else {
            throw JarviceError(
                .refused, "device sbatch_\(name.prefix(64))= has no value; options without one cannot be given")
        }
        if let option = SbatchOption(rawValue: name) {
            self = option
            return
        }
        if let reason = Self.refused[name] {
            throw JarviceError(.refused, "device sbatch_\(name)=: \(reason)")
        }
        throw JarviceError(.refused, "device sbatch_\(name.prefix(64))=: sbatch has no such option with a value")
    }

    private static let notOffered = "the agent's submissions have no such option"
    private static let otherUser = "the job's user is the one of the token"
    private static let ownScript = "the job's script is the application's"
    private static let loginEnvironment = "the job's environment is that of a fresh login"

    /// Options of sbatch with a value that are not taken, and why.
    public static let refused: [String: String] = [
        "uid": otherUser, "gid": otherUser, "wrap": ownScript,
        "export": loginEnvironment, "export-file": loginEnvironment, "get-user-env": loginEnvironment,
        "propagate": loginEnvironment,
        "clusters": "the job belongs to this cluster",
        "nodefile": "no file of this host is read; name the nodes with sbatch_nodelist",
        "container": "the executor starts the container",
        "bbf": "no file of this host is read",
        "open-mode": "each job's output is created again",
        "signal": notOffered, "nice": notOffered, "priority": notOffered, "hint": notOffered,
        "acctg-freq": notOffered, "batch": notOffered, "bb": notOffered, "cluster-constraint": notOffered,
        "core-spec": notOffered, "cores-per-socket": notOffered, "cpu-freq": notOffered, "cpus-per-gpu": notOffered,
        "deadline": notOffered, "delay-boot": notOffered, "distribution": notOffered, "extra-node-info": notOffered,
        "gpu-bind": notOffered, "gpu-freq": notOffered, "gpus-per-socket": notOffered, "gres-flags": notOffered,
        "kill-on-invalid-dep": notOffered, "mem-bind": notOffered, "mem-per-gpu": notOffered, "network": notOffered,
        "ntasks-per-core": notOffered, "ntasks-per-gpu": notOffered, "ntasks-per-socket": notOffered,
        "power": notOffered, "prefer": notOffered, "profile": notOffered, "sockets-per-node": notOffered,
        "switches": notOffered, "thread-spec": notOffered, "threads-per-core": notOffered, "time-min": notOffered,
        "tmp": notOffered, "wait-all-nodes": notOffered,
    ]
}
