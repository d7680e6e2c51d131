// SPDX-License-Identifier: GPL-3.0-or-later

public import ArgumentParser
public import Slurm
internal import Support

/// What every command that talks to Slurm takes.
struct SlurmOptions: ParsableArguments {
    @Option(name: .customLong("slurm-conf"), help: ArgumentHelp("The cluster's slurm.conf.", valueName: "file"))
    var configurationFile: String?

    @Option(help: ArgumentHelp("How long to wait for slurmctld, in seconds.", valueName: "seconds"))
    var timeout: Int = 15

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        guard (1...3600).contains(timeout) else {
            throw ValidationError("--timeout takes 1 to 3600 seconds")
        }
    }

    func connect(policy: SubmitPolicy = SubmitPolicy()) async throws(SlurmError) -> SlurmController {
        var configuration = SlurmController.Configuration()
        configuration.configurationFile = configurationFile
        configuration.callTimeout = .seconds(timeout)
        configuration.policy = policy
        return try await SlurmController.connect(configuration)
    }

    var accounting: SlurmAccounting {
        SlurmAccounting(configurationFile: configurationFile, timeout: .seconds(max(timeout, 20)))
    }
}

/// What `squeue` and `scancel` take for job numbers; a form that is refused says what to do.
func jobIDList(_ argument: String) throws -> JobIDList {
    do throws(SlurmError) {
        return try JobIDList(argument)
    } catch {
        throw ValidationError(PrintableText.of(error.message))
    }
}

/// `alice,1001`: login names and uids, as squeue takes them.
func resolveUsers(_ text: String) throws(SlurmError) -> Set<UInt32> {
    var users: Set<UInt32> = []
    for part in listed(text) { users.insert(try resolveUser(part)) }
    return users
}

/// A login name, or a number as a uid.
func resolveUser(_ text: String) throws(SlurmError) -> UInt32 {
    try UserAccount.userID(PrintableText.of(text))
}

/// The parts of a list with commas; empty ones are none.
func listed(_ text: String) -> [String] {
    text.split(separator: ",").map(String.init)
}

/// `123`, `123_4` (an array task) or `123+1` (a component of a heterogeneous job).
extension JobID: ExpressibleByArgument {
    public init?(argument: String) {
        self.init(argument)
    }
}
