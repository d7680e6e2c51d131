// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import JobLifecycle

/// A ledger of millions of jobs, made and measured. One JSON object on standard output.
///
///     ScaleDriver make PATH JOBS CLUSTER      makes it: four transitions a job, over sixty days
///     ScaleDriver measure PATH CLUSTER        opens it, asks it, commits while it is pruned
@main
enum ScaleDriver {
    static func main() async throws {
        let words = CommandLine.arguments
        switch (words.count, words.count > 1 ? words[1] : "") {
        case (5, "make"):
            guard let jobs = Int(words[3]), jobs >= 1000 else { return usage() }
            say(try await Maker(path: words[2], cluster: words[4], jobs: jobs).make())
        case (4, "measure"):
            say(try await Meter(path: words[2], cluster: words[3]).measure())
        default:
            usage()
        }
    }

    private static func usage() {
        FileHandle.standardError.write(Data("usage: ScaleDriver make PATH JOBS CLUSTER | measure PATH CLUSTER\n".utf8))
        exit(64)
    }

    private static func say(_ figures: [String: Double]) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let json = (try? encoder.encode(figures)) ?? Data()
        FileHandle.standardOutput.write(json + Data("\n".utf8))
    }

    static func note(_ text: String) { FileHandle.standardError.write(Data("scale: \(text)\n".utf8)) }

    static let interests = [Ledger.Interest(gateway: "journal", scope: .everything)]
    static let days = 60.0
}

extension Duration {
    var milliseconds: Double { self / .milliseconds(1) }
}

extension JobObservation {
    /// One of a job's four looks: in the queue, running, suspended, over.
    static func scaled(_ number: UInt32, _ step: Int, submitted: Int64) -> JobObservation {
        let bases: [SchedulerState.Base] = [.pending, .running, .suspended, .completed]
        var details = JobDetails()
        details.name = "scale-\(number % 100)"
        details.userID = 1000 + number % 50
        details.account = "grid"
        details.partition = "main"
        details.timeLimit = 60
        if step > 0 {
            details.nodes = "n[\(number % 7)-\(number % 7 + 2)]"
            details.tres = "cpu=4,mem=8G,node=1,billing=4"
        }
        var seen = JobObservation(
            source: step == 3 ? .plugin : .controller, time: (submitted + Int64(step) * 10) * 1_000_000,
            key: JobKey(number),
            jobID: number, submitTime: submitted, restarts: 0, state: SchedulerState(bases[step]),
            startTime: step > 0 ? submitted + 10 : nil, details: details)
        if step == 3 {
            seen.endTime = submitted + 30
            seen.elapsed = 20
            seen.exitStatus = 0
        }
        return seen
    }
}
