// SPDX-License-Identifier: GPL-3.0-or-later

internal import CSlurm
internal import FoundationEssentials
internal import Glibc

/// Owns the C strings that a `job_desc_msg_t` points to; frees them when it goes away.
///
/// Not Sendable: made, used and dropped within one call on one thread.
final class JobDescription {
    private(set) var message = job_desc_msg_t()
    private var strings: [UnsafeMutablePointer<CChar>] = []
    private var arrays: [UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>] = []

    init() {
        slurm_init_job_desc_msg(&message)
    }

    deinit {
        strings.forEach { free($0) }
        arrays.forEach { $0.deallocate() }
    }

    func withMessage<Result>(_ body: (UnsafeMutablePointer<job_desc_msg_t>) -> Result) -> Result {
        body(&message)
    }

    /// An update of one job, by its text id: `123`, `123_4`, `123+1`.
    convenience init(update id: JobID, _ change: (inout job_desc_msg_t, JobDescription) -> Void) {
        self.init()
        message.job_id_str = copy(id.description)
        change(&message, self)
    }

    /// - Parameters:
    ///   - request: validated.
    ///   - cluster: set to keep a job of a federated cluster on this one.
    convenience init(
        _ request: JobRequest, account: UserAccount, groupID: UInt32, submitHost: String, cluster: String?
    ) {
        self.init()
        let workDirectory = request.workDirectory ?? account.home
        message.user_id = request.userID
        message.group_id = groupID
        message.script = copy(request.script)
        // argv[0] is the script's name, what squeue and scontrol show as the command.
        (message.argv, message.argc) = copy([request.name] + request.arguments)
        (message.environment, message.env_size) = copy(
            JobEnvironment.make(
                for: request, account: account, workDirectory: workDirectory, submitHost: submitHost))
        message.work_dir = copy(workDirectory)
        message.name = copy(request.name)
        message.comment = copy(request.comment)
        message.admin_comment = copy(request.adminComment)
        message.alloc_node = copy(submitHost)
        if let session = request.session { message.alloc_sid = session }
        message.std_in = copy(request.standardInput)
        message.std_out = copy(request.standardOutput)
        message.std_err = copy(request.standardError)
        message.partition = copy(request.partition)
        message.account = copy(request.account)
        message.qos = copy(request.qos)
        message.wckey = copy(request.wckey)
        message.mcs_label = copy(request.mcsLabel)
        message.reservation = copy(request.reservation)
        message.features = copy(request.constraint)
        message.req_nodes = copy(request.nodeList)
        message.exc_nodes = copy(request.excludedNodes)
        message.licenses = copy(request.licenses)
        message.array_inx = copy(request.array)
        message.dependency = copy(request.dependency)
        message.clusters = copy(cluster)
        setCounts(request)
        setTRES(request)
        message.requeue = request.requeue ? 1 : 0
        if request.hold { message.priority = 0 }
        if let begin = request.beginTime { message.begin_time = time_t(begin.timeIntervalSince1970) }
        if let limit = request.timeLimit { message.time_limit = limit.slurmValue }
        if let nice = request.nice { message.nice = UInt32(NICE_OFFSET) + min(nice, JobRequest.maximumNice) }
        if let exclusive = request.exclusive {
            switch exclusive {
            case .nodes: message.shared = UInt16(JOB_SHARED_NONE)
            case .user: message.shared = UInt16(JOB_SHARED_USER)
            case .mcs: message.shared = UInt16(JOB_SHARED_MCS)
            case .oversubscribe: message.shared = UInt16(JOB_SHARED_OK)
            }
        }
        if let mail = request.mail {
            message.mail_type = mail.events.reduce(0) { $0 | $1.slurmValue }
            message.mail_user = copy(mail.recipient)
        }
    }

    /// As sbatch does it: without min_cpus slurmctld gives four tasks of two CPUs two CPUs in all.
    private func setCounts(_ request: JobRequest) {
        if let nodes = request.minimumNodes { message.min_nodes = nodes }
        if let nodes = request.maximumNodes { message.max_nodes = nodes }
        if let tasks = request.tasks {
            message.num_tasks = tasks
            message.bitflags |= cs_JOB_NTASKS_SET
        }
        if let perNode = request.tasksPerNode {
            message.ntasks_per_node = UInt16(perNode)
            if request.tasks == nil {
                // sbatch derives the number of tasks, and slurmctld its CPUs, from these two.
                message.num_tasks = (request.minimumNodes ?? 1) &* perNode  // validated not to overflow
            }
        }
        if let cpus = request.cpusPerTask {
            message.cpus_per_task = UInt16(cpus)
            message.bitflags |= cs_JOB_CPUS_SET
        }
        let tasks = message.num_tasks == cs_NO_VAL ? max(1, request.minimumNodes ?? 1) : message.num_tasks
        message.min_cpus = tasks &* (request.cpusPerTask ?? 1)  // validated
        if let cpus = request.minimumCPUsPerNode { message.pn_min_cpus = UInt16(cpus) }
        switch request.memory {
        case .perNode(let megabytes): message.pn_min_memory = megabytes
        case .perCPU(let megabytes): message.pn_min_memory = megabytes | cs_MEM_PER_CPU
        case nil: break
        }
    }

    /// "gres:gpu:1" is understood by every release; "gres/gpu:1" only by newer ones.
    private func setTRES(_ request: JobRequest) {
        func gpus(_ gpus: JobRequest.GPUs?) -> String? {
            gpus.map { gpus in
                gpus.all.map { "gres:gpu:" + ($0.type.map { $0 + ":" } ?? "") + String($0.count) }
                    .joined(separator: ",")
            }
        }
        message.tres_per_job = copy(gpus(request.gpusPerJob))
        message.tres_per_task = copy(gpus(request.gpusPerTask))
        let perNode =
            [gpus(request.gpusPerNode)].compactMap { $0 }
            + request.gresPerNode.map { "gres:\($0.name):" + ($0.type.map { $0 + ":" } ?? "") + String($0.count) }
        message.tres_per_node = copy(perNode.isEmpty ? nil : perNode.joined(separator: ","))
    }

    func copy(_ text: String?) -> UnsafeMutablePointer<CChar>? {
        guard let text, let copied = strdup(text) else { return nil }
        strings.append(copied)
        return copied
    }

    private func copy(_ texts: [String]) -> (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>, UInt32) {
        let array = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: texts.count + 1)
        array.initialize(repeating: nil, count: texts.count + 1)
        for (index, text) in texts.enumerated() { array[index] = copy(text) }
        arrays.append(array)
        return (array, UInt32(texts.count))
    }
}

extension JobRequest.Mail.Event {
    fileprivate var slurmValue: UInt16 {
        switch self {
        case .begin: cs_MAIL_JOB_BEGIN
        case .end: cs_MAIL_JOB_END
        case .fail: cs_MAIL_JOB_FAIL
        case .requeue: cs_MAIL_JOB_REQUEUE
        case .stageOut: cs_MAIL_JOB_STAGE_OUT
        case .timeLimit: cs_MAIL_JOB_TIME100
        case .timeLimit90: cs_MAIL_JOB_TIME90
        case .timeLimit80: cs_MAIL_JOB_TIME80
        case .timeLimit50: cs_MAIL_JOB_TIME50
        case .arrayTasks: cs_MAIL_ARRAY_TASKS
        case .invalidDependency: cs_MAIL_INVALID_DEPEND
        }
    }
}
