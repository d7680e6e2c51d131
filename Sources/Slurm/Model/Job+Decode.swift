// SPDX-License-Identifier: GPL-3.0-or-later

internal import CSlurm
internal import FoundationEssentials
internal import Glibc

/// Turns libslurm's records into ``Job`` values.
///
/// Neighbouring jobs of a queue tend to share user, account, paths and so on: a text equal to the same field's last
/// one is not made again. The C strings compared with must stay valid for the decoder's life.
struct JobDecoder {
    private var texts = [LastText](repeating: LastText(), count: 32)

    private struct LastText {
        var bytes: UnsafePointer<CChar>?
        var text: String = ""
    }

    /// The text of a field, nil when empty. `slot` numbers the field.
    private mutating func text(_ slot: Int, _ bytes: UnsafePointer<CChar>?) -> String? {
        guard let bytes, bytes.pointee != 0 else { return nil }
        if let last = texts[slot].bytes, strcmp(last, bytes) == 0 { return texts[slot].text }
        let text = String(cString: bytes)
        texts[slot] = LastText(bytes: bytes, text: text)
        return text
    }

    mutating func decode(_ job: UnsafePointer<slurm_job_info_t>) -> Job {
        let record = job.pointee
        return Job(
            id: record.job_id,
            array: arrayTask(record),
            heterogeneous: heterogeneous(record),
            sluid: some(cs_job_sluid(job)),
            name: text(0, record.name) ?? "",
            userID: record.user_id,
            groupID: record.group_id,
            userName: text(1, record.user_name),
            account: text(2, record.account),
            partition: text(3, record.partition),
            qos: text(4, record.qos),
            wckey: text(5, record.wckey),
            mcsLabel: text(6, record.mcs_label),
            cluster: text(7, record.cluster),
            state: JobState(rawValue: record.job_state),
            reason: JobReason(number: cs_job_state_reason(job)),
            reasonDetail: text(8, record.state_desc),
            exit: ExitStatus(raw: record.exit_code),
            derivedExit: ExitStatus(raw: record.derived_ec),
            restartCount: UInt32(record.restart_cnt),
            requeue: record.requeue == 1,
            priority: record.priority,
            nice: Int64(record.nice) - Int64(NICE_OFFSET),
            dependency: text(9, record.dependency),
            reservation: text(10, record.resv_name),
            submitTime: date(record.submit_time),
            eligibleTime: date(record.eligible_time),
            startTime: date(record.start_time),
            endTime: date(record.end_time),
            deadline: date(record.deadline),
            suspendTime: date(record.suspend_time),
            runTimeBeforeSuspension: UInt64(max(0, record.pre_sus_time)),
            resizeTime: date(record.resize_time),
            preemptTime: date(record.preempt_time),
            lastSchedulerLook: date(record.last_sched_eval),
            timeLimit: TimeLimit(slurm: record.time_limit),
            timeMinimum: record.time_min == 0 ? nil : TimeLimit(slurm: record.time_min),
            requested: resources(record),
            allocatedTRES: text(11, record.tres_alloc_str).map(TRES.init),
            nodes: text(12, record.nodes),
            nodeCount: record.num_nodes,
            cpuCount: record.num_cpus,
            batchHost: text(13, record.batch_host),
            scheduledNodes: text(14, record.sched_nodes),
            gresPerNode: gres(record),
            comment: text(15, record.comment),
            adminComment: text(16, record.admin_comment),
            systemComment: text(17, record.system_comment),
            workDirectory: text(18, record.work_dir),
            command: text(19, record.command),
            standardOutput: text(20, record.std_out),
            standardError: text(21, record.std_err),
            standardInput: text(22, record.std_in),
            submitHost: text(23, record.alloc_node),
            session: some(record.alloc_sid),
            isBatch: record.batch_flag != 0
        )
    }

    private mutating func arrayTask(_ record: slurm_job_info_t) -> Job.ArrayTask? {
        guard record.array_job_id != 0 else { return nil }
        return Job.ArrayTask(
            jobID: record.array_job_id,
            taskID: record.array_task_id == cs_NO_VAL ? nil : record.array_task_id,
            pendingTasks: text(24, record.array_task_str),
            maximumRunning: record.array_max_tasks == 0 ? nil : record.array_max_tasks
        )
    }

    private mutating func heterogeneous(_ record: slurm_job_info_t) -> Job.HeterogeneousComponent? {
        guard record.het_job_id != 0 else { return nil }
        return Job.HeterogeneousComponent(
            leaderID: record.het_job_id, offset: record.het_job_offset, componentIDs: text(25, record.het_job_id_set))
    }

    private mutating func resources(_ record: slurm_job_info_t) -> Job.Resources {
        Job.Resources(
            tres: text(26, record.tres_req_str).map(TRES.init),
            tresPerJob: text(27, record.tres_per_job),
            tresPerNode: text(28, record.tres_per_node),
            tresPerSocket: text(29, record.tres_per_socket),
            tresPerTask: text(30, record.tres_per_task),
            memory: memory(record.pn_min_memory),
            minimumNodes: record.num_nodes,
            maximumNodes: record.max_nodes == 0 ? nil : some(record.max_nodes),
            tasks: some(record.num_tasks),
            tasksPerNode: some16(record.ntasks_per_node),
            cpusPerTask: some16(record.cpus_per_task),
            minimumCPUsPerNode: some16(record.pn_min_cpus),
            nodes: plain(record.req_nodes),
            excludedNodes: plain(record.exc_nodes),
            features: plain(record.features),
            licenses: text(31, record.licenses),
            exclusive: exclusive(record.shared)
        )
    }

    /// The order that slurmctld gives is that of the allocated nodes.
    private func gres(_ record: slurm_job_info_t) -> [String] {
        guard record.gres_detail_cnt > 0, let details = record.gres_detail_str else { return [] }
        return (0..<Int(record.gres_detail_cnt)).map { index in
            details[index].map { String(cString: $0) } ?? ""
        }
    }

    private func plain(_ bytes: UnsafePointer<CChar>?) -> String? {
        guard let bytes, bytes.pointee != 0 else { return nil }
        return String(cString: bytes)
    }

    private func memory(_ value: UInt64) -> Job.Memory? {
        if value == cs_NO_VAL64 { return nil }
        return value & cs_MEM_PER_CPU != 0 ? .perCPU(value & ~cs_MEM_PER_CPU) : .perNode(value)
    }

    private func exclusive(_ shared: UInt16) -> Job.ExclusiveMode {
        switch Int32(shared) {
        case JOB_SHARED_NONE: .exclusive
        case JOB_SHARED_USER: .user
        case JOB_SHARED_MCS: .mcs
        case JOB_SHARED_OK: .oversubscribe
        default: .shared
        }
    }
}

/// 0, NO_VAL and INFINITE are no times.
func date(_ time: time_t) -> Date? {
    time <= 0 || time == time_t(cs_NO_VAL) || time == time_t(cs_INFINITE)
        ? nil : Date(timeIntervalSince1970: Double(time))
}

func some(_ value: UInt32) -> UInt32? { value == cs_NO_VAL || value == cs_INFINITE ? nil : value }
func some(_ value: UInt64) -> UInt64? { value == 0 || value == cs_NO_VAL64 || value == cs_INFINITE64 ? nil : value }
func some16(_ value: UInt16) -> UInt32? { value == cs_NO_VAL16 || value == cs_INFINITE16 ? nil : UInt32(value) }
