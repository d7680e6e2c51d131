// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser
internal import CommandOutput
internal import Slurm

struct CancelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "End jobs, or send them a signal.",
        discussion: """
            Names jobs by number, as scancel does (123, array tasks 123_4 and 123_[1,4-6], a component 123+1, several with \
            blanks or commas), or by --name and --user together. Without --signal the job is ended. A signal goes to the \
            job's steps; with --batch to its script, with --full to both.
            """)

    @OptionGroup var slurm: SlurmOptions

    @Option(
        name: [.customShort("n", allowingJoined: true), .long],
        help: ArgumentHelp("With --user: jobs of exactly this name.", valueName: "name"))
    var name: String?

    @Option(
        name: [.customShort("u", allowingJoined: true), .long],
        help: ArgumentHelp("With --name: jobs of this user.", valueName: "name or uid"))
    var user: String?

    @Option(
        name: [.customShort("s", allowingJoined: true), .long],
        help: ArgumentHelp("A signal's number or name (TERM, USR1, …).", valueName: "signal"))
    var signal: Signal?

    @Flag(name: .shortAndLong, help: "Send the signal to the batch script alone.")
    var batch = false

    @Flag(name: .shortAndLong, help: "Send the signal to the batch script and all steps.")
    var full = false

    @Argument(help: "Job numbers.", transform: jobIDList)
    var ids: [JobIDList] = []

    func validate() throws {
        guard ids.isEmpty != (name == nil) else {
            throw ValidationError("name the jobs either by number or by --name and --user")
        }
        guard (name == nil) == (user == nil) else { throw ValidationError("--name and --user go together") }
        guard signal != nil || !(batch || full) else { throw ValidationError("--batch and --full need --signal") }
        guard !(batch && full) else { throw ValidationError("--batch and --full exclude each other") }
        guard name == nil || signal == nil else { throw ValidationError("--signal takes job numbers, not --name") }
    }

    func run() async throws {
        try await reporting(json: slurm.json) {
            let controller = try await slurm.connect()
            if let name, let user {
                let ended = try await controller.cancel(name: name, userID: try resolveUser(user))
                try report(ended.map(String.init))
                return
            }
            var failure: SlurmError?
            var done: [String] = []
            let all = ids.flatMap(\.ids)
            for id in all {
                do throws(SlurmError) {
                    if let signal {
                        let target: SlurmController.SignalTarget = full ? .everything : batch ? .batchScript : .steps
                        try await controller.signal(id, signal.number, to: target)
                    } else {
                        try await controller.cancel(id)
                    }
                    done.append(id.description)
                } catch {
                    if all.count > 1 { complain("slurm-grid-agent: job \(id): \(error)") }
                    failure = failure ?? error
                }
            }
            if let failure { throw failure }
            try report(done)
        }
    }

    private func report(_ ids: [String]) throws {
        if slurm.json { try printJSON(["jobs": ids]) } else { ids.forEach { print($0) } }
    }

    /// A signal by number or name, with or without "SIG".
    struct Signal: ExpressibleByArgument {
        var number: Int32

        init?(argument: String) {
            let name = argument.uppercased().replacingPrefix("SIG")
            guard let number = Int32(argument) ?? Self.names[name], (1...64).contains(number) else { return nil }
            self.number = number
        }

        /// signal(7), the numbers of x86 and ARM.
        private static let names: [String: Int32] = [
            "HUP": 1, "INT": 2, "QUIT": 3, "ABRT": 6, "KILL": 9, "USR1": 10, "USR2": 12, "ALRM": 14, "TERM": 15,
            "CONT": 18, "STOP": 19, "TSTP": 20, "TTIN": 21, "TTOU": 22, "URG": 23, "XCPU": 24,
        ]
    }
}

extension String {
    fileprivate func replacingPrefix(_ prefix: String) -> String {
        hasPrefix(prefix) ? String(dropFirst(prefix.count)) : self
    }
}
