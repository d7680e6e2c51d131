// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser
internal import CommandOutput
internal import FoundationEssentials
internal import Glibc
internal import JobLifecycle
internal import Slurm
internal import Support

struct WaitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait",
        abstract: "Follow a job until it ends.",
        discussion: """
            On a terminal one line that is kept up to date; otherwise, and with --json, one line for each change. Exits \
            with 0 when the job completed and 3 when it ended in any other way. An outage of slurmctld is waited out: no \
            answer is never taken for the end. A job that slurmctld has forgotten is looked up in slurmdbd. One that another \
            cluster of a federation has is followed on the cluster where it was submitted; on the others it ends as REVOKED.

            The number of an array means all of its tasks, 123_4 one of them, 123+1 a component.
            """)

    @OptionGroup var slurm: SlurmOptions

    @Option(help: ArgumentHelp("Look this often.", valueName: "seconds"))
    var interval: Double = 1

    @Argument(help: "Job number, for instance 123 or 123_4.", transform: oneJobID)
    var id: JobID

    func validate() throws {
        guard interval >= 0.1, interval <= 3600 else { throw ValidationError("--interval takes 0.1 to 3600 seconds") }
    }

    func run() async throws {
        try await reporting(json: slurm.json) {
            let controller = try await slurm.connect()
            // Not known: all that may be put back is waited for.
            let policy =
                (try? await controller.cluster()).map(RequeuePolicy.init)
                ?? RequeuePolicy(exitCodesRequeue: true, successRequeues: true)
            var line = StatusLine(json: slurm.json)
            while true {
                let look = try await look(controller)
                try line.show(look)
                if let state = look.endState(policy) {
                    line.finish()
                    if state.base != .completed { throw ExitCode(3) }
                    return
                }
                try await Task.sleep(for: .seconds(interval))
            }
        }
    }

    private func look(_ controller: SlurmController) async throws(SlurmError) -> Look {
        do throws(SlurmError) {
            return try await lookAtController(controller)
        } catch {
            switch error.code {
            case .notFound: return .ended(try await fromAccounting(error))
            case .unavailable, .timedOut, .authentication: return .silence(error)
            default: throw error
            }
        }
    }

    private func lookAtController(_ controller: SlurmController) async throws(SlurmError) -> Look {
        guard id.part == .whole else { return .job(try await controller.job(try await controller.number(of: id))) }
        let records = try await controller.jobs(of: id.number)
        let tasks = records.filter { $0.array?.jobID == id.number }
        if !tasks.isEmpty { return .job(Look.foremost(tasks)) }
        guard let job = records.first(where: { $0.id == id.number }) ?? records.first else {
            throw SlurmError(.notFound, "slurmctld knows no job \(id)")
        }
        return .job(job)
    }

    /// The latest run, if slurmdbd says that it has ended; of an array the latest run of each task, of which one that did not
    /// complete counts.
    private func fromAccounting(_ notFound: SlurmError) async throws(SlurmError) -> AccountingJob {
        let latest: AccountingJob?
        do throws(SlurmError) {
            let rows = try await slurm.accounting.jobs([id.number]).jobs.filter { $0.belongs(to: id) }
            let runs = Dictionary(grouping: rows) { $0.arrayTaskID }.values.compactMap { runs in
                runs.max { ($0.submitTime ?? 0) < ($1.submitTime ?? 0) }
            }
            latest =
                runs.first { !$0.state.hasEnded } ?? runs.first { $0.state.base != .completed } ?? runs.first
        } catch {
            throw SlurmError(
                .notFound,
                "slurmctld does not know job \(id) any more, and how it ended cannot be told: \(error.message)",
                number: notFound.number)
        }
        guard let latest, latest.state.hasEnded || latest.state.isRevoked else { throw notFound }
        return latest
    }
}

/// One job number.
private func oneJobID(_ argument: String) throws -> JobID {
    let list = try jobIDList(argument)
    guard list.ids.count == 1, let id = list.ids.first else { throw ValidationError("wait follows one job") }
    return id
}

/// What one look told.
enum Look {
    case job(Job)
    case ended(AccountingJob)
    case silence(SlurmError)

    /// The task of an array that tells most of the whole: one that has not ended; then one that did not complete.
    static func foremost(_ tasks: [Job]) -> Job {
        let ranked = tasks.sorted { ($0.array?.taskID ?? .max) < ($1.array?.taskID ?? .max) }
        return ranked.first { !$0.state.hasEnded && $0.state.base != .pending } ?? ranked.first { !$0.state.hasEnded }
            ?? ranked.first { $0.state.base != .completed } ?? tasks[0]
    }

    func endState(_ policy: RequeuePolicy) -> JobState? {
        switch self {
        case .job(let job): job.state.isOver(policy) ? job.state : nil
        case .ended(let job): job.state
        case .silence: nil
        }
    }

    var text: String {
        switch self {
        case .job(let job):
            var parts = [job.state.text]
            if let seconds = job.runTime(at: Date()) { parts.append(clock(seconds)) }
            if let nodes = job.nodes { parts.append("on \(nodes)") }
            if job.state.base == .pending { parts.append("(\(job.reason))") }
            if job.state.hasEnded { parts.append("exit \(job.exit)") }
            return parts.joined(separator: " ")
        case .ended(let job):
            return "\(job.state.text) \(clock(Int(job.elapsed))) exit \(job.exit) (from slurmdbd)"
        case .silence(let error):
            return "waiting: \(error.message)"
        }
    }

    /// What must differ for a new line: not the running time.
    var key: String {
        switch self {
        case .job(let job): "\(job.state) \(job.reason) \(job.nodes ?? "")"
        case .ended(let job): "\(job.state)"
        case .silence(let error): error.code.description
        }
    }

    fileprivate var document: LookDocument {
        switch self {
        case .job(let job):
            LookDocument(
                job: job.id, state: job.state.description, ended: job.state.hasEnded,
                exitCode: job.state.hasEnded ? job.exit.code : nil,
                exitSignal: job.state.hasEnded ? job.exit.signal : nil, reason: job.reason.description,
                nodes: job.nodes, source: "slurmctld")
        case .ended(let job):
            LookDocument(
                job: job.id, state: job.state.description, ended: true, exitCode: job.exit.code,
                exitSignal: job.exit.signal, nodes: job.nodes, source: "slurmdbd")
        case .silence(let error):
            LookDocument(state: "unknown", ended: false, reason: error.message, source: "none")
        }
    }
}

private struct LookDocument: Encodable {
    var job: UInt32?
    var state: String
    var ended: Bool
    var exitCode: UInt8?
    var exitSignal: UInt8?
    var reason: String?
    var nodes: String?
    var source: String
}

/// One line that is written over on a terminal; a line for each change elsewhere.
private struct StatusLine {
    var json: Bool
    private let terminal = isatty(STDOUT_FILENO) == 1
    private var lastKey = ""

    init(json: Bool) {
        self.json = json
    }

    mutating func show(_ look: Look) throws {
        if json || !terminal {
            guard look.key != lastKey else { return }
            lastKey = look.key
            if json { try printJSON(look.document, pretty: false) } else { print(PrintableText.of(look.text)) }
        } else {
            // Carriage return, text, erase to the end of the line.
            print("\r" + PrintableText.of(look.text) + "\u{1b}[K", terminator: "")
        }
        fflush(nil)
    }

    func finish() {
        if terminal && !json { print() }
    }
}
