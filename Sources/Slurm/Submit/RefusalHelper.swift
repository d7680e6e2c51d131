// SPDX-License-Identifier: GPL-3.0-or-later

internal import CSlurm
internal import FoundationEssentials
internal import Glibc
internal import NIOConcurrencyHelpers

/// Finds out why slurmctld refused a job, in words.
///
/// The message of a job_submit plugin (or slurmctld's own) is not in libslurm's answer: the library prints it on
/// standard error, in every release. So the helper process asks slurmctld whether the same job *would* run, which
/// goes through the same plugins and checks but never makes a job, and what it prints is the reason.
enum RefusalHelper {
    static let readyLine = "ready"

    /// slurmctld's answer, as a line of JSON.
    struct Answer: Codable, Sendable {
        /// 0: it would run.
        var number: Int32
        var start: Int64?
        var nodes: String?
        var partition: String?
    }

    /// The child's side: one JobRequest as a line of JSON on stdin. Output is slurmctld's answer, and what libslurm prints on
    /// stderr.
    static func serve() -> Int32 {
        print(readyLine)
        fflush(nil)
        guard let line = readLine(strippingNewline: true),
            let request = try? JSONDecoder().decode(JobRequest.self, from: Data(line.utf8)),
            let owner = try? request.resolveOwner(everybody)
        else { return 65 }
        let description = JobDescription(
            request, account: owner.account, groupID: owner.groupID, submitHost: SlurmController.hostName, cluster: nil)
        var answer: UnsafeMutablePointer<will_run_response_msg_t>?
        let outcome = SlurmCall.observe { description.withMessage { slurm_job_will_run2($0, &answer) } }
        // Without a number it would look like a job that runs.
        var word = Answer(number: outcome.result == 0 ? 0 : outcome.number == 0 ? -1 : outcome.number)
        // slurm.h has nothing that frees it: the process ends.
        if let answer {
            let start = Int64(answer.pointee.start_time)
            word.start = start > 0 ? start : nil
            word.nodes = optionalText(answer.pointee.node_list)
            word.partition = optionalText(answer.pointee.part_name)
        }
        print(String(decoding: (try? JSONEncoder().encode(word)) ?? Data(), as: UTF8.self))
        return 0
    }

    private static var everybody: SubmitPolicy {
        var policy = SubmitPolicy()
        policy.allowRoot = true
        return policy
    }
}

extension SlurmController {
    /// What slurmctld or its plugins say against the request, in one line; nil when nothing can be found out.
    func reasonForRefusal(of request: JobRequest) async -> String? {
        guard let (result, _) = try? await explain(request), result.ending == .exited(0), !result.said.isEmpty else {
            return nil
        }
        return result.said
    }

    private func explain(
        _ request: JobRequest
    ) async throws(SlurmError) -> (result: HelperProcess.Result, answer: RefusalHelper.Answer?) {
        let question: String
        do {
            question = String(decoding: try JSONEncoder().encode(request), as: UTF8.self)
        } catch {
            throw SlurmError(.invalidRequest, "the request cannot be written: \(error)")
        }
        let answer = NIOLockedValueBox<RefusalHelper.Answer?>(nil)
        let result = try await HelperProcess(
            program: configuration.helper, task: .explain, configurationFile: configuration.configurationFile
        ).run(timeout: configuration.probeTimeout) { line, send in
            if line == RefusalHelper.readyLine { return try await send(question) }
            let word = try? JSONDecoder().decode(RefusalHelper.Answer.self, from: Data(line.utf8))
            if let word { answer.withLockedValue { $0 = word } }
        }
        return (result, answer.withLockedValue { $0 })
    }

    /// Whether slurmctld would run the request, by all that it asks of a submission: limits, associations, job_submit plugins.
    /// No job is made of it. A job that may wait for ever is refused too, which a held submission is not.
    ///
    /// - Throws: `invalidRequest` for what would never be sent; what slurmctld says against it, in its words; `unavailable` or
    ///   `helperFailed` when it cannot be asked.
    public func rehearse(_ request: JobRequest) async throws(SlurmError) -> Rehearsal {
        let policy = configuration.policy
        try request.validate(policy: policy)
        try request.validateScriptSize(limit: try await cluster().maximumScriptSize)
        _ = try await pool.run("getpwuid", timeout: configuration.callTimeout, changes: false) {
            () throws(SlurmError) in try request.resolveOwner(policy)
        }
        let (result, answer) = try await explain(request)
        guard result.ending == .exited(0), let answer else {
            let words = result.said.isEmpty ? "\(result.ending)" : result.said
            throw SlurmError(.helperFailed, "slurmctld could not be asked: \(words)", call: "slurm_job_will_run2")
        }
        guard answer.number == 0 else {
            var error = SlurmCall.failure("slurm_job_will_run2", changes: false, number: answer.number)
            if error.mayHaveMoreWords, !result.said.isEmpty {
                error.reason = "slurmctld would refuse the job: \(result.said)"
                error.message = error.reason
            }
            throw error
        }
        return Rehearsal(start: answer.start, nodes: answer.nodes, partition: answer.partition)
    }
}

/// What slurmctld says of a job that it was asked about and would run.
public struct Rehearsal: Sendable, Hashable {
    /// Unix seconds; nil: not known.
    public var start: Int64?
    public var nodes: String?
    public var partition: String?
}

extension SlurmError {
    /// Kinds of refusal for which slurmctld may have more to say than its number.
    var mayHaveMoreWords: Bool {
        switch code {
        case .rejected, .association, .limit, .impossible, .partition, .permissionDenied, .invalidRequest, .unexpected:
            number != 0
        default: false
        }
    }
}
