// SPDX-License-Identifier: GPL-3.0-or-later

internal import Foundation
internal import Glibc

/// Runs `check` as systemd runs the agent: as the unit's user, with its environment and credentials.
struct ServiceRun {
    enum Answer {
        case found([Finding], user: String)
        /// The command ended for its own reason, which it has told on standard error.
        case ended(Int32)
        /// Nobody runs the agent so here; why, if there is something to say.
        case impossible(String?)
    }

    /// The words of `check`.
    let words: [String]

    func answer() -> Answer {
        // As sd_booted(3).
        guard access("/run/systemd/system", F_OK) == 0 else { return .impossible(nil) }
        guard
            let shown = Self.systemctl("show", "--property=\(ServiceUnit.shown.joined(separator: ","))"),
            let files = Self.systemctl("cat"), let unit = ServiceUnit(shown, files: files)
        else { return .impossible(nil) }
        let arguments = unit.arguments(program: Self.program, words: words)
        guard let done = Self.output("systemd-run", arguments) else {
            return .impossible("systemd-run could not be started")
        }
        if let found = try? JSONDecoder().decode([Finding].self, from: done.output) {
            return .found(found, user: unit.user)
        }
        guard [64, 78].contains(done.status) else {
            return .impossible("systemd-run ended with status \(done.status), so this was not tried as \(unit.user)")
        }
        return .ended(done.status)
    }

    private static func systemctl(_ words: String...) -> String? {
        output("systemctl", words + [ServiceUnit.name], isQuiet: true).map {
            String(decoding: $0.output, as: UTF8.self)
        }
    }

    private static var program: String {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "/usr/bin/slurm-grid-agent"
    }

    private static let folders = ["/usr/bin", "/bin"]

    private static func output(
        _ name: String, _ arguments: [String], isQuiet: Bool = false
    ) -> (output: Data, status: Int32)? {
        guard let path = folders.map({ $0 + "/" + name }).first(where: { access($0, X_OK) == 0 }) else { return nil }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        if isQuiet { process.standardError = FileHandle.nullDevice }
        let pipe = Pipe()
        process.standardOutput = pipe
        do {
            try process.run()
        } catch {
            return nil
        }
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (output, process.terminationStatus)
    }
}
