// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser
internal import CommandOutput
internal import FoundationEssentials
internal import Glibc
internal import Slurm
internal import Support

struct SubmitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "submit",
        abstract: "Submit a batch job.",
        discussion: """
            Options are named as sbatch's. Unlike sbatch, #SBATCH lines in the script are not read, and nothing of this \
            shell's environment or limits reaches the job: it gets its user's login environment.

            As SlurmUser or root, --user submits for somebody else. Prints the job's number.
            """)

    @OptionGroup var slurm: SlurmOptions

    @Option(help: ArgumentHelp("Whose job it is (default: the caller).", valueName: "name or uid"))
    var user: String?
    @Option(help: ArgumentHelp("One of the user's groups (default: the primary one).", valueName: "name or gid"))
    var gid: String?
    @Option(
        name: [.customShort("J", allowingJoined: true), .long],
        help: ArgumentHelp("Name of the job (default: the script's).", valueName: "name"))
    var jobName: String?
    @Option(
        name: [.customShort("p", allowingJoined: true), .long],
        help: ArgumentHelp("Partition, or several with commas.", valueName: "names"))
    var partition: String?
    @Option(
        name: [.customShort("A", allowingJoined: true), .long],
        help: ArgumentHelp("Account to charge.", valueName: "name"))
    var account: String?
    @Option(
        name: [.customShort("q", allowingJoined: true), .long],
        help: ArgumentHelp("Quality of service.", valueName: "name"))
    var qos: String?
    @Option(help: ArgumentHelp("Workload characterisation key.", valueName: "key"))
    var wckey: String?
    @Option(
        name: [.customShort("N", allowingJoined: true), .long],
        help: ArgumentHelp("Nodes, for instance 2 or 2-4.", valueName: "min[-max]"))
    var nodes: NodeRange?
    @Option(name: [.customShort("n", allowingJoined: true), .long], help: ArgumentHelp("Tasks.", valueName: "count"))
    var ntasks: UInt32?
    @Option(help: ArgumentHelp("Tasks per node.", valueName: "count"))
    var ntasksPerNode: UInt32?
    @Option(
        name: [.customShort("c", allowingJoined: true), .long], help: ArgumentHelp("CPUs per task.", valueName: "count")
    )
    var cpusPerTask: UInt32?
    @Option(help: ArgumentHelp("At least this many CPUs on each node.", valueName: "count"))
    var mincpus: UInt32?
    @Option(
        help: ArgumentHelp("Memory per node, for instance 512M, 4G (default unit: M); 0: all of it.", valueName: "size")
    )
    var mem: MemorySize?
    @Option(help: ArgumentHelp("Memory per CPU.", valueName: "size"))
    var memPerCpu: MemorySize?
    @Option(
        name: [.customShort("G", allowingJoined: true), .long],
        help: ArgumentHelp("GPUs for the job, for instance 2, a100:2 or a100:2,v100:1.", valueName: "[type:]count"))
    var gpus: GPUCount?
    @Option(help: ArgumentHelp("GPUs per node.", valueName: "[type:]count"))
    var gpusPerNode: GPUCount?
    @Option(help: ArgumentHelp("GPUs per task.", valueName: "[type:]count"))
    var gpusPerTask: GPUCount?
    @Option(
        help: ArgumentHelp("Generic resources per node, for instance gpu:a100:2,shard:4; or none.", valueName: "list"))
    var gres: GRESList?
    @Option(
        name: [.customShort("t", allowingJoined: true), .long],
        help: ArgumentHelp("Time limit: minutes, m:s, h:m:s, d-h[:m[:s]]; 0 or UNLIMITED: none.", valueName: "time"))
    var time: TimeLimit?
    @Option(name: [.customShort("L", allowingJoined: true), .long], help: ArgumentHelp("Licences.", valueName: "list"))
    var licenses: String?
    @Option(
        name: [.customShort("C", allowingJoined: true), .long], help: ArgumentHelp("Node features.", valueName: "list"))
    var constraint: String?
    @Option(help: ArgumentHelp("Reservation.", valueName: "name"))
    var reservation: String?
    @Option(
        name: [.customShort("w", allowingJoined: true), .long],
        help: ArgumentHelp("Nodes that the job must have.", valueName: "list"))
    var nodelist: String?
    @Option(
        name: [.customShort("x", allowingJoined: true), .long],
        help: ArgumentHelp("Nodes that it must not have.", valueName: "list"))
    var exclude: String?
    @Flag(help: "Share the nodes with nobody (=user and =mcs are not taken).")
    var exclusive = false
    @Flag(name: [.customShort("s"), .long], help: "Share CPUs with other jobs.")
    var oversubscribe = false
    @Flag(name: [.customShort("H"), .long], help: "Submit held.")
    var hold = false
    @Option(
        name: [.customShort("b", allowingJoined: true), .long],
        help: ArgumentHelp(
            "Not before this time, as sbatch takes it (16:00, 2027-01-02T03:04, now+2hours), or Unix seconds.",
            valueName: "time"))
    var begin: BeginOption?
    @Option(
        name: [.customShort("d", allowingJoined: true), .long],
        help: ArgumentHelp("As sbatch takes it, for instance afterok:123.", valueName: "list"))
    var dependency: String?
    @Option(
        name: [.customShort("a", allowingJoined: true), .long],
        help: ArgumentHelp("Job array, for instance 0-9 or 1-100%10.", valueName: "indices"))
    var array: String?
    @Option(help: ArgumentHelp("Comment.", valueName: "text"))
    var comment: String?
    @Option(help: ArgumentHelp("Comment that only operators can change.", valueName: "text"))
    var adminComment: String?
    @Option(
        name: [.customShort("D", allowingJoined: true), .long],
        help: ArgumentHelp("Work directory (default: the user's home).", valueName: "folder"))
    var chdir: String?
    @Option(
        name: [.customShort("o", allowingJoined: true), .long],
        help: ArgumentHelp("Standard output (default: slurm-%j.out).", valueName: "file"))
    var output: String?
    @Option(
        name: [.customShort("e", allowingJoined: true), .long],
        help: ArgumentHelp("Standard error (default: with the output).", valueName: "file"))
    var error: String?
    @Option(
        name: [.customShort("i", allowingJoined: true), .long], help: ArgumentHelp("Standard input.", valueName: "file")
    )
    var input: String = "/dev/null"
    @Option(help: ArgumentHelp("A variable for the job; may be given more than once.", valueName: "name=value"))
    var env: [EnvironmentVariable] = []
    @Option(
        help: ArgumentHelp("When to send mail: begin, end, fail, requeue, …; comma separated.", valueName: "events"))
    var mailType: MailEvents?
    @Option(help: ArgumentHelp("Who gets it (default: the job's user).", valueName: "address"))
    var mailUser: String?
    @Flag(help: "Let Slurm requeue the job after a node failure or preemption.")
    var requeue = false
    @Flag(help: "Allow jobs of root and gid 0.")
    var allowRoot = false

    @Option(help: ArgumentHelp("A line of shell to run, in place of a script.", valueName: "command"))
    var wrap: String?

    @Argument(help: "The script; - or nothing for standard input.")
    var script: String = "-"
    @Argument(parsing: .captureForPassthrough, help: "Arguments to the script.")
    var arguments: [String] = []

    func validate() throws {
        guard mem == nil || memPerCpu == nil else {
            throw ValidationError("--mem and --mem-per-cpu exclude each other")
        }
        guard !(exclusive && oversubscribe) else {
            throw ValidationError("--exclusive and --oversubscribe exclude each other")
        }
        guard wrap == nil || (script == "-" && arguments.isEmpty) else {
            throw ValidationError("--wrap and a script exclude each other")
        }
        guard mailUser == nil || mailType != nil else { throw ValidationError("--mail-user needs --mail-type") }
    }

    func run() async throws {
        try await reporting(json: slurm.json) {
            let request = try request()
            var policy = SubmitPolicy()
            policy.allowRoot = allowRoot
            let submission = try await slurm.connect(policy: policy).submit(request)
            if let message = submission.userMessage { complain("slurm-grid-agent: \(PrintableText.of(message))") }
            if slurm.json {
                try printJSON(
                    SubmissionDocument(
                        jobId: submission.jobID, userMessage: submission.userMessage,
                        job: submission.job.map { JobDocument($0) }))
            } else {
                print(submission.jobID)
            }
        }
    }

    private func scriptText() throws(SlurmError) -> String {
        if let wrap { return ScriptFile.wrapping(wrap) }
        return try ScriptFile.read(script == "-" ? nil : script)
    }

    private func request() throws(SlurmError) -> JobRequest {
        let fromInput = script == "-"
        let defaultName =
            wrap != nil
            ? "wrap" : fromInput ? "slurm-grid-agent" : script.split(separator: "/").last.map(String.init) ?? script
        var request = JobRequest(
            userID: try user.map(resolveUser) ?? geteuid(),
            script: try scriptText(), name: jobName ?? defaultName)
        request.groupID = try gid.map { text throws(SlurmError) in try UserAccount.groupID(PrintableText.of(text)) }
        request.arguments = arguments
        request.comment = comment
        request.adminComment = adminComment
        request.environment = Dictionary(env.map { ($0.name, $0.value) }, uniquingKeysWith: { _, last in last })
        request.workDirectory = chdir
        request.standardOutput = output
        request.standardError = error
        request.standardInput = input
        request.partition = partition
        request.account = account
        request.qos = qos
        request.wckey = wckey
        request.reservation = reservation
        request.constraint = constraint
        request.nodeList = nodelist
        request.excludedNodes = exclude
        request.licenses = licenses
        request.exclusive = exclusive ? .nodes : oversubscribe ? .oversubscribe : nil
        request.minimumNodes = nodes?.minimum
        request.maximumNodes = nodes?.maximum
        request.tasks = ntasks
        request.tasksPerNode = ntasksPerNode
        request.cpusPerTask = cpusPerTask
        request.minimumCPUsPerNode = mincpus
        request.memory = mem.map { .perNode($0.megabytes) } ?? memPerCpu.map { .perCPU($0.megabytes) }
        request.gpusPerJob = gpus?.gpus
        request.gpusPerNode = gpusPerNode?.gpus
        request.gpusPerTask = gpusPerTask?.gpus
        request.gresPerNode = gres?.list ?? []
        request.timeLimit = time
        request.array = array
        request.hold = hold
        request.beginTime = begin?.date
        request.dependency = dependency
        request.requeue = requeue
        request.mail = mailType.flatMap { $0.events.isEmpty ? nil : JobRequest.Mail($0.events, recipient: mailUser) }
        return request
    }
}

private struct SubmissionDocument: Encodable {
    var jobId: UInt32
    var userMessage: String?
    var job: JobDocument?
}
