// SPDX-License-Identifier: GPL-3.0-or-later

internal import CSlurm
internal import FoundationEssentials
internal import Glibc

/// Finds out why slurmctld refused a job, in words.
///
/// The message of a job_submit plugin (or slurmctld's own) is not in libslurm's answer: the library prints it on
/// standard error, in every release. So the helper process asks slurmctld whether the same job *would* run, which
/// goes through the same plugins and checks but never makes a job, and what it prints is the reason.
enum RefusalHelper {
    static let readyLine = "ready"

    /// The child's side: one JobRequest as a line of JSON on stdin. Output is what libslurm prints on stderr.
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
        _ = description.withMessage { slurm_job_will_run2($0, &answer) }
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
        guard let question = try? String(decoding: JSONEncoder().encode(request), as: UTF8.self) else { return nil }
        let result = try? await HelperProcess(
            program: configuration.helper, task: .explain, configurationFile: configuration.configurationFile
        ).run(timeout: configuration.probeTimeout) { line, send in
            if line == RefusalHelper.readyLine { try await send(question) }
        }
        guard let result, result.ending == .exited(0), !result.said.isEmpty else { return nil }
        return result.said
    }
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
