// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import ArgumentParser
internal import CommandOutput
internal import FoundationEssentials
internal import Slurm

struct JobCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "job",
        abstract: "Show everything that is known of one job.",
        discussion: """
            Asks slurmctld, and slurmdbd for a job that slurmctld has forgotten. Placement (cores, memory and generic \
            resources on each node) is there while the job runs; a part that Slurm does not tell is shown as "not known". \
            Cores are Slurm's abstract numbers, socket by socket, not the operating system's.

            Numbers as scancel takes them: 123, 123_4, 123_[1,4-6], 123+1, several with blanks or commas. With --json several \
            jobs are an array.
            """)

    @OptionGroup var slurm: SlurmOptions

    @Flag(help: "Print the job's script instead.")
    var script = false

    @Argument(help: "Job numbers, for instance 123, 123_4 or 123+1.", transform: jobIDList)
    var ids: [JobIDList]

    func validate() throws {
        guard !script || ids.flatMap(\.ids).count == 1 else { throw ValidationError("--script takes one job") }
    }

    func run() async throws {
        try await reporting(json: slurm.json) {
            let controller = try await slurm.connect()
            let all = ids.flatMap(\.ids)
            if script, let id = all.first {
                let text = try await controller.batchScript(try await controller.number(of: id))
                if slurm.json { try printJSON(["script": text]) } else { print(text, terminator: "") }
                return
            }
            // Several are one document: what cannot be shown is told beside it.
            var documents: [JobDocument] = []
            var failure: SlurmError?
            for (index, id) in all.enumerated() {
                do throws(SlurmError) {
                    let found = try await controller.jobWithPlacement(try await controller.number(of: id))
                    if slurm.json {
                        documents.append(JobDocument(found.job, placement: found.placement))
                    } else {
                        print((index > 0 ? "\n" : "") + Self.text(found.job, found.placement))
                    }
                } catch  where error.code == .notFound && all.count == 1 {
                    return try await showFromAccounting(id, after: error)
                } catch {
                    if all.count > 1 { complain("slurm-grid-agent: job \(id): \(error)") }
                    failure = failure ?? error
                }
            }
            if slurm.json, failure == nil || all.count > 1 {
                if all.count == 1, let only = documents.first { try printJSON(only) } else { try printJSON(documents) }
                if let failure { throw ExitCode(failure.exitStatus) }
            }
            if let failure { throw failure }
        }
    }

    private func showFromAccounting(_ id: JobID, after notFound: SlurmError) async throws {
        let rows: [AccountingJob]
        do throws(SlurmError) {
            rows = try await slurm.accounting.jobs([id.number]).jobs.filter { $0.belongs(to: id) }
        } catch {
            throw SlurmError(
                .notFound, "slurmctld knows no job \(id) any more, and slurmdbd cannot tell: \(error.message)",
                number: notFound.number)
        }
        guard !rows.isEmpty else { throw notFound }
        if slurm.json {
            try printJSON(rows)
            return
        }
        print("slurmctld has forgotten job \(id); slurmdbd knows \(rows.count) run(s) of it:")
        var table = Table(["SUBMITTED", "STARTED", "ENDED", "ELAPSED", "STATE", "EXIT", "USER", "NAME", "NODES"])
        for job in rows {
            func time(_ seconds: Int64?) -> String {
                seconds.map { LocalTime.text(Date(timeIntervalSince1970: Double($0))) } ?? "-"
            }
            table.add([
                time(job.submitTime), time(job.startTime), time(job.endTime), clock(Int(job.elapsed)),
                job.state.text, job.exit.description, job.userName ?? "\(job.userID)", job.name,
                job.nodes ?? "-",
            ])
        }
        print(table.render())
    }

    static func text(_ job: Job, _ placement: Placement?) -> String {
        var table = Table(["FIELD", "VALUE"])
        func row(_ field: String, _ value: String?) {
            if let value { table.add([field, value]) }
        }
        func row(_ field: String, _ time: Date?) { row(field, time.map(LocalTime.text)) }
        row("job", job.displayID.description == "\(job.id)" ? "\(job.id)" : "\(job.displayID) (number \(job.id))")
        row("pending tasks", job.array?.pendingTasks)
        row("name", job.name)
        var users = UserNames()
        row("user", "\(users.name(of: job)) (uid \(job.userID), gid \(job.groupID))")
        row("state", job.state.text)
        row("reason", job.reason.number == 0 ? nil : job.reason.description)
        row("reason detail", job.reasonDetail)
        row("exit (code:signal)", job.state.hasEnded ? "\(job.exit) (raw \(job.exit.raw))" : nil)
        row("highest step exit", job.state.hasEnded ? job.derivedExit.description : nil)
        row("held", job.isHeld ? "yes" : nil)
        row("restarts", job.restartCount == 0 ? nil : "\(job.restartCount)")
        row("account", job.account)
        row("partition", job.partition)
        row("qos", job.qos)
        row("reservation", job.reservation)
        row("dependency", job.dependency)
        row("submitted", job.submitTime)
        row("eligible", job.eligibleTime)
        row("started", job.startTime)
        row(job.state.hasEnded ? "ended" : "ends", job.endTime)
        row("suspended or resumed", job.suspendTime)
        row("resized", job.resizeTime)
        row("preempted", job.preemptTime)
        row("time limit", job.timeLimit?.description)
        row("requested TRES", job.requested.tres?.text)
        row("allocated TRES", job.allocatedTRES?.text)
        row("tasks", job.requested.tasks.map(String.init))
        row("CPUs per task", job.requested.cpusPerTask.map(String.init))
        row("features", job.requested.features)
        row("licenses", job.requested.licenses)
        row("nodes", job.nodes)
        row("batch host", job.batchHost)
        row("work directory", job.workDirectory)
        row("command", job.command)
        row("standard output", job.standardOutput)
        row("standard error", job.standardError)
        row("standard input", job.standardInput)
        row("submitted from", job.submitHost)
        row("comment", job.comment)
        row("admin comment", job.adminComment)
        row("system comment", job.systemComment)
        var text = table.render()
        if let placement {
            var nodes = Table(["NODE", "CORES", "CPUS", "MEMORY_MB", "GRES"], rightAligned: [2, 3])
            for share in placement.nodes {
                nodes.add([
                    share.node, share.cores.map(IndexRange.compress) ?? "not known",
                    share.cpus.map(String.init) ?? "not known",
                    share.memory.map(String.init) ?? "not known",
                    share.gres.map { $0.isEmpty ? "-" : $0.map(\.description).joined(separator: ",") } ?? "not known",
                ])
            }
            text += "\n\n" + nodes.render()
        }
        return text
    }
}
