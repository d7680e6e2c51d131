// SPDX-License-Identifier: GPL-3.0-or-later

internal import CSlurm
internal import FoundationEssentials
internal import Glibc
internal import NIOConcurrencyHelpers

/// Prints a job's record as `scontrol show job` does, with libslurm's own printer. In the helper process, since that printer
/// changes how 22.05 counts cores for the rest of the process's life.
enum DescriptionHelper {
    static let readyLine = "ready"

    /// A line of JSON.
    struct Answer: Codable, Sendable {
        /// 0: there is a text.
        var number: Int32
        var text: String?
    }

    /// The child's side: one job number as a line on stdin.
    static func serve() -> Int32 {
        print(readyLine)
        fflush(nil)
        guard let line = readLine(strippingNewline: true), let id = UInt32(line) else { return 65 }
        var message: UnsafeMutablePointer<job_info_msg_t>?
        let outcome = SlurmCall.observe { cs_load_job(&message, id, cs_SHOW_ALL | cs_SHOW_DETAIL | cs_SHOW_LOCAL) }
        var answer = Answer(number: outcome.result == 0 ? 0 : outcome.number == 0 ? -1 : outcome.number)
        if outcome.result == 0, let message {
            var decoder = JobDecoder()
            answer.text = (0..<Int(message.pointee.record_count)).map { index in
                let record = message.pointee.job_array + index
                return cs_job_text(record).map { String(cString: $0) } ?? JobText.lines(decoder.decode(record))
            }.joined()
        }
        print(String(decoding: (try? JSONEncoder().encode(answer)) ?? Data(), as: UTF8.self))
        return 0
    }
}

extension SlurmController {
    /// What `scontrol show job` prints of a job; of an array, of all its records.
    /// - Throws: `notFound` when slurmctld has none; `helperFailed` when it could not be asked.
    public func description(of id: UInt32) async throws(SlurmError) -> String {
        guard id > 0, id < JobID.reserved else { throw .invalid("job id", "\(id) is no job id") }
        let answer = NIOLockedValueBox<DescriptionHelper.Answer?>(nil)
        let result = try await HelperProcess(
            program: configuration.helper, task: .describe, configurationFile: configuration.configurationFile
        ).run(timeout: configuration.probeTimeout) { line, send in
            if line == DescriptionHelper.readyLine { return try await send("\(id)") }
            let word = try? JSONDecoder().decode(DescriptionHelper.Answer.self, from: Data(line.utf8))
            if let word { answer.withLockedValue { $0 = word } }
        }
        guard result.ending == .exited(0), let answer = answer.withLockedValue({ $0 }) else {
            let words = result.said.isEmpty ? "\(result.ending)" : result.said
            throw SlurmError(.helperFailed, "slurmctld could not be asked: \(words)", call: "slurm_load_job")
        }
        guard answer.number == 0, let text = answer.text else {
            throw SlurmCall.failure("slurm_load_job", changes: false, number: answer.number, detail: "job \(id)")
        }
        return text
    }
}
