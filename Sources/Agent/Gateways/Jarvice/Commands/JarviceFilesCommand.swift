// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser
internal import Glibc
internal import Jarvice
internal import Slurm

/// Of slurm-grid-agent-files@.service.
struct JarviceFilesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "files", abstract: "Read one file as the user whose it is, for the agent at standard input.",
        discussion: """
            slurm-grid-agent-files@.service runs this as root, once for each file. It becomes the user before it looks at \
            anything.
            """)

    @Option(help: ArgumentHelp("Who may ask: SlurmUser.", valueName: "user"))
    var peer: String

    @Option(name: .customLong("minimum-uid"), help: "No user with a lower uid is served.")
    var minimumUserID: UInt32 = 1000

    @Option(
        name: .customLong("root"),
        help: ArgumentHelp("A folder that is read besides the user's home directory.", valueName: "folder"))
    var roots: [String] = []

    func run() throws {
        guard let user = try UserAccount.find(name: peer) else {
            throw ValidationError("there is no user \(peer)")
        }
        let helper = FileHelper(peer: user.userID, minimumUserID: minimumUserID, roots: roots)
        throw ExitCode(helper.serve(STDIN_FILENO))
    }
}
