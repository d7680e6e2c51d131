// SPDX-License-Identifier: GPL-3.0-or-later

internal import CSlurm
internal import Glibc

/// The part of this module that runs in a short-lived child process of the same binary.
///
/// Two things in libslurm end the process that asks for them: a bad or missing slurm.conf (`exit(1)`), and a slurmdbd
/// that dies while a connection to it is open (an unresolved symbol in Slurm's own plugin, exit 127). Both are asked
/// here, where a death is just an exit status. And what libslurm only prints is read here from the child's stderr.
///
/// The program must hand over to ``main(_:)`` when its first argument is ``argument``, before anything else.
public enum SlurmHelper {
    /// The first argument that selects the helper.
    public static let argument = "slurm-helper"

    /// How to start the helper.
    public struct Program: Sendable {
        public var path: String

        public init(path: String) {
            self.path = path
        }

        /// This program: also right after the file was replaced by an upgrade.
        public static let current = Program(path: "/proc/self/exe")
    }

    enum Task: String {
        case probe
        case accounting
        case explain
        case describe
    }

    /// Runs the helper's side. Never returns normally when libslurm ends the process.
    ///
    /// - Parameter arguments: those after ``argument``: the task and, optionally, the path of slurm.conf.
    /// - Returns: the process's exit status; 64 for wrong arguments.
    public static func main(_ arguments: [String]) -> Int32 {
        guard let task = arguments.first.flatMap(Task.init), arguments.count <= 2 else {
            complain("\(argument) is for the agent's own use; see --help for its commands\n")
            return 64
        }
        // Whatever happens to the parent, this process ends.
        postponeEnd()
        slurm_init(arguments.count == 2 ? arguments[1] : nil)
        switch task {
        case .probe:
            print("ok \(String(cString: cs_cluster_name()))")
            return 0
        case .accounting:
            return AccountingHelper.serve()
        case .explain:
            return RefusalHelper.serve()
        case .describe:
            return DescriptionHelper.serve()
        }
    }

    private static let selfDestructSeconds: UInt32 = 120

    /// The helper has got on with its work.
    static func postponeEnd() {
        alarm(selfDestructSeconds)
    }

    private static func complain(_ text: String) {
        _ = text.withCString { write(STDERR_FILENO, $0, strlen($0)) }
    }

    /// Reads slurm.conf in a child process.
    /// - Throws: `configuration` with libslurm's words when it cannot be used.
    static func probe(_ configuration: SlurmController.Configuration) async throws(SlurmError) {
        if let file = configuration.configurationFile, access(file, R_OK) != 0 {
            // libslurm would try again for a minute.
            throw SlurmError(
                .configuration,
                "cannot read \(file): \(String(cString: strerror(errno))); name the cluster's slurm.conf")
        }
        let result = try await HelperProcess(
            program: configuration.helper, task: .probe, configurationFile: configuration.configurationFile
        ).run(timeout: configuration.probeTimeout) { _, _ in }
        switch result.ending {
        case .exited(0): return
        case .exited, .signalled, .timedOut:
            let source =
                configuration.configurationFile ?? "slurm.conf (SLURM_CONF, /etc/slurm/slurm.conf or configless)"
            let words =
                result.ending == .timedOut
                ? "libslurm did not finish reading it within \(configuration.probeTimeout)"
                : (result.said.isEmpty ? "libslurm ended the process (\(result.ending))" : result.said)
            throw SlurmError(.configuration, "cannot use \(source): \(words)")
        }
    }
}
