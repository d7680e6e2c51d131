// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import Glibc

/// A job in scontrol's words, for releases whose libslurm prints none: the fields that people read, under scontrol's names.
enum JobText {
    static func lines(_ job: Job) -> String {
        let none = "(null)"
        let lines: [[(String, String)]] = [
            [("JobId", "\(job.id)"), ("JobName", job.name)],
            [
                ("UserId", "\(job.userName ?? "nobody")(\(job.userID))"), ("GroupId", "\(job.groupID)"),
                ("MCS_label", job.mcsLabel ?? "N/A"),
            ],
            [
                ("Priority", "\(job.priority)"), ("Nice", "\(job.nice)"), ("Account", job.account ?? none),
                ("QOS", job.qos ?? none),
            ],
            [
                ("JobState", job.state.base.map { "\($0)" } ?? "\(job.state)"),
                ("Reason", job.reasonDetail ?? "\(job.reason)"), ("Dependency", job.dependency ?? none),
            ],
            [
                ("Requeue", job.requeue ? "1" : "0"), ("Restarts", "\(job.restartCount)"),
                ("BatchFlag", job.isBatch ? "1" : "0"), ("ExitCode", "\(job.exit)"),
            ],
            [("TimeLimit", job.timeLimit.map { "\($0)" } ?? "Partition_Limit")],
            [("SubmitTime", time(job.submitTime)), ("EligibleTime", time(job.eligibleTime))],
            [("StartTime", time(job.startTime)), ("EndTime", time(job.endTime)), ("Deadline", time(job.deadline))],
            [("Partition", job.partition ?? none), ("AllocNode:Sid", job.submitHost ?? none)],
            [("NodeList", job.nodes ?? "")],
            [("BatchHost", job.batchHost ?? "")],
            [("NumNodes", "\(job.nodeCount)"), ("NumCPUs", "\(job.cpuCount)")],
            [("TRES", job.allocatedTRES?.description ?? job.requested.tres?.description ?? none)],
            [("Comment", job.comment ?? "")],
            [("Command", job.command ?? none)],
            [("WorkDir", job.workDirectory ?? none)],
            [("StdErr", job.standardError ?? none)],
            [("StdIn", job.standardInput ?? none)],
            [("StdOut", job.standardOutput ?? none)],
        ]
        return lines.map { fields in fields.map { "\($0.0)=\($0.1)" }.joined(separator: " ") }
            .joined(separator: "\n   ") + "\n\n"
    }

    private static func time(_ date: Date?) -> String {
        guard let date else { return "Unknown" }
        var seconds = time_t(date.timeIntervalSince1970)
        var parts = tm()
        guard localtime_r(&seconds, &parts) != nil else { return "Unknown" }
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T\(two(parts.tm_hour)):"
            + "\(two(parts.tm_min)):\(two(parts.tm_sec))"
    }
}
