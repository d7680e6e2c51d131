// SPDX-License-Identifier: GPL-3.0-or-later

internal import CSlurm
internal import Glibc

extension SlurmController {
    /// Submits a batch job for its owner.
    ///
    /// - Parameter readBack: also load the job as slurmctld took it: a job_submit plugin may have changed it. One more
    ///   call.
    /// - Throws: `invalidRequest` before anything is sent; else what slurmctld answers. With `mayHaveHappened` the job
    ///   may exist or yet come about, also long after this call has returned: a job_submit plugin, a throttle or load may
    ///   keep slurmctld busy with it. Wait for ``settled(timeout:)``, then look for it (``findJobs(tag:)``) again and
    ///   again, for several MessageTimeouts, before submitting once more.
    public func submit(_ request: JobRequest, readBack: Bool = true) async throws(SlurmError) -> Submission {
        let policy = configuration.policy
        try request.validate(policy: policy)
        let cluster = try await cluster()
        try request.validateScriptSize(limit: cluster.maximumScriptSize)
        let host = Self.hostName
        // Without this a federated cluster may start the job on another member.
        let onlyCluster = cluster.federation == nil ? nil : cluster.name
        var submission: Submission
        do throws(SlurmError) {
            submission = try await call(
                "slurm_submit_batch_job", changes: true, timeout: changeTimeout(cluster)
            ) { () throws(SlurmError) in
                let owner = try request.resolveOwner(policy)
                let description = JobDescription(
                    request, account: owner.account, groupID: owner.groupID, submitHost: host, cluster: onlyCluster)
                return try Self.submitNow(description)
            }
        } catch {
            throw await inWords(error, request)
        }
        if readBack {
            submission.job = try? await job(submission.jobID)
        }
        return submission
    }

    /// libslurm itself gives up after MessageTimeout: an answer that comes before that is not to be lost.
    private func changeTimeout(_ cluster: Cluster) -> Duration {
        max(configuration.callTimeout, .seconds(Int64(min(cluster.messageTimeout, 3600)) + 5))
    }

    private func inWords(_ error: SlurmError, _ request: JobRequest) async -> SlurmError {
        guard error.mayHaveMoreWords, let reason = await reasonForRefusal(of: request) else { return error }
        var error = error
        error.message = "slurmctld refused the job: \(reason)"
        error.reason = error.message
        // A plugin may answer with any number; its words tell that it was no ordinary refusal.
        if error.code == .unexpected { error.code = .rejected }
        return error
    }

    private static func submitNow(_ description: JobDescription) throws(SlurmError) -> Submission {
        var answer: UnsafeMutablePointer<submit_response_msg_t>?
        try SlurmCall.check("slurm_submit_batch_job", changes: true) {
            description.withMessage { slurm_submit_batch_job($0, &answer) }
        }
        guard let answer else {
            throw SlurmError(
                .unexpected, "slurmctld accepted the job but told no id", call: "slurm_submit_batch_job",
                mayHaveHappened: true)
        }
        defer { slurm_free_submit_response_response_msg(answer) }
        return Submission(
            jobID: cs_submit_response_job_id(answer),
            userMessage: optionalText(answer.pointee.job_submit_user_msg).map(SlurmCall.tidy))
    }

    static let hostName: String = {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
        return name.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "localhost" }
    }()
}
