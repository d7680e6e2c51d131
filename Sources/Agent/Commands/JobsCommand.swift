// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser
internal import CommandOutput
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

    @Option(
        name: [.customShort("u", allowingJoined: true), .long],
        help: ArgumentHelp("Only jobs of these users, with commas.", valueName: "names or uids"))
    var user: String?

    @Option(
        name: [.customShort("n", allowingJoined: true), .long],
        help: ArgumentHelp("Only jobs with exactly these names, with commas.", valueName: "names"))
    var name: String?

    @Option(help: ArgumentHelp("Only jobs whose admin comment holds this token.", valueName: "tag"))
    var tag: String?

    @Option(
        name: [.customShort("p", allowingJoined: true), .long],
        help: ArgumentHelp("Only jobs in these partitions, with commas.", valueName: "names"))
    var partition: String?

    func run() async throws {
        try await reporting(json: slurm.json) {
            let filter = JobFilter(
                endedToo: all, users: try user.map(resolveUsers), name: name, tag: tag, partitions: partition)
            let controller = try await slurm.connect()
            let jobs = try await controller.jobs().jobs.filter(filter.takes)
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
                job.displayID.description, GridCommand.shortName(job.name), users.name(of: job), job.partition ?? "-",
                job.state.text, job.runTime(at: now).map(clock) ?? "-",
                job.timeLimit?.description ?? "-", "\(job.nodeCount)", job.state.hasEnded ? job.exit.description : "-",
                job.nodes ?? "(\(job.reason))",
            ])
        }
        print(table.render())
    }
}

/// Which jobs are asked for, as squeue has it.
struct JobFilter {
    var endedToo = false
    var users: Set<UInt32>?
    /// Names with commas; a name with a comma in it is meant too.
    var name: String?
    var tag: String?
    /// With commas.
    var partitions: String?

    func takes(_ job: Job) -> Bool {
        (endedToo || !job.state.hasEnded) && (users?.contains(job.userID) ?? true)
            && (name.map { $0 == job.name || listed($0).contains(job.name) } ?? true) && (tag.map(job.hasTag) ?? true)
            && isInPartition(job)
    }

    /// A pending job may wait in several.
    private func isInPartition(_ job: Job) -> Bool {
        guard let partitions else { return true }
        return !Set(listed(partitions)).isDisjoint(with: listed(job.partition ?? ""))
    }
}

/// Names of job owners, each looked up once; slurmctld only tells them when it is configured to.
struct UserNames {
    private var names: [UInt32: String] = [:]

    mutating func name(of job: Job) -> String { job.userName ?? name(of: job.userID) }

    /// The number itself of a user who is not there.
    mutating func name(of userID: UInt32) -> String {
        if let name = names[userID] { return name }
        let name = (try? UserAccount.find(userID: userID))?.name ?? "\(userID)"
        names[userID] = name
        return name
    }
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
