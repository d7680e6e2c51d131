// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser
internal import FoundationEssentials
internal import Slurm

struct JobsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jobs",
        abstract: "List the jobs that slurmctld knows.",
        discussion: """
            Pending and running jobs, and with --all those that ended less than MinJobAge ago. With --json one array of \
            objects with every field.
            """)

    @OptionGroup var slurm: SlurmOptions

    @Flag(name: .shortAndLong, help: "Ended jobs too.")
    var all = false

    @Option(name: .shortAndLong, help: ArgumentHelp("Only jobs of this user.", valueName: "name or uid"))
    var user: String?

    @Option(name: .shortAndLong, help: ArgumentHelp("Only jobs with exactly this name.", valueName: "name"))
    var name: String?

    @Option(help: ArgumentHelp("Only jobs whose admin comment holds this token.", valueName: "tag"))
    var tag: String?

    @Option(name: .shortAndLong, help: ArgumentHelp("Only jobs in this partition.", valueName: "name"))
    var partition: String?

    func run() async throws {
        try await reporting(json: slurm.json) {
            let userID = try user.map(resolveUser)
            let controller = try await slurm.connect()
            let jobs = try await controller.jobs().jobs.filter { job in
                (all || !job.state.hasEnded) && (userID.map { $0 == job.userID } ?? true)
                    && (name.map { $0 == job.name } ?? true) && (tag.map(job.hasTag) ?? true)
                    && (partition.map { $0 == job.partition } ?? true)
            }
            if slurm.json {
                try printJSON(jobs.map { JobDocument($0) })
            } else {
                printText(jobs)
            }
        }
    }

    private func printText(_ jobs: [Job]) {
        var table = Table(
            ["JOBID", "NAME", "USER", "PARTITION", "STATE", "TIME", "LIMIT", "NODES", "EXIT", "NODELIST(REASON)"],
            rightAligned: [0, 5, 6, 7])
        let now = Date()
        var users = UserNames()
        for job in jobs {
            table.add([
                job.displayID.description, job.name, users.name(of: job), job.partition ?? "-",
                job.state.text, job.runTime(at: now).map(clock) ?? "-",
                job.timeLimit?.description ?? "-", "\(job.nodeCount)", job.state.hasEnded ? job.exit.description : "-",
                job.nodes ?? "(\(job.reason))",
            ])
        }
        print(table.render())
    }
}

/// Names of job owners, each looked up once; slurmctld only tells them when it is configured to.
struct UserNames {
    private var names: [UInt32: String] = [:]

    mutating func name(of job: Job) -> String {
        if let name = job.userName ?? names[job.userID] { return name }
        let name = (try? UserAccount.find(userID: job.userID))?.name ?? "\(job.userID)"
        names[job.userID] = name
        return name
    }
}

/// A login name, or a number as a uid.
func resolveUser(_ text: String) throws(SlurmError) -> UInt32 {
    if let number = UInt32(text) { return number }
    guard let account = try UserAccount.find(name: text) else {
        throw SlurmError(.invalidRequest, "user: there is no user \"\(Table.printable(text))\" on this host")
    }
    return account.userID
}

extension Job {
    /// Seconds the job has run by now, or ran; without suspensions that are over. nil before its start.
    func runTime(at now: Date) -> Int? {
        // What another cluster's times are of did not happen here.
        guard let startTime, state.base != .pending, !state.isRevoked, startTime <= now else { return nil }
        let end = state.hasEnded ? (endTime ?? now) : now
        switch state.base {
        case .suspended: return Int(runTimeBeforeSuspension)
        case _ where suspendTime != nil:
            // Resumed then; an ended one has no more time than up to its end.
            return Int(runTimeBeforeSuspension) + max(0, Int(end.timeIntervalSince(suspendTime ?? end)))
        default: return max(0, Int(end.timeIntervalSince(startTime)))
        }
    }
}

/// `[days-]hh:mm:ss`
func clock(_ seconds: Int) -> String {
    func two(_ n: Int) -> String { n < 10 ? "0\(n)" : "\(n)" }
    let time = "\(two(seconds / 3600 % 24)):\(two(seconds / 60 % 60)):\(two(seconds % 60))"
    return seconds >= 86_400 ? "\(seconds / 86_400)-\(time)" : time
}
