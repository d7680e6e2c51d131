// SPDX-License-Identifier: GPL-3.0-or-later

internal import Foundation

/// Asks systemd-timedated, through timedatectl(1), whether something keeps this host's clock right: the kernel's own word, which the
/// service itself may not ask for (ProtectClock=yes).
struct TimeService {
    /// The program, and what it is told.
    var command = ["/usr/bin/timedatectl", "show", "--property=NTPSynchronized", "--value"]
    /// timedated is started for the question.
    var patience: Duration = .seconds(5)

    /// Seconds that a killed one is waited for.
    private static let grace: Double = 2

    /// Blocks for up to `patience`, and two seconds more when it has to be killed. nil: nobody there can tell.
    func isSynchronised() -> Bool? {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: command[0])
        process.arguments = Array(command.dropFirst())
        process.environment = ["LC_ALL": "C"]
        process.standardInput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        let output = Pipe()
        process.standardOutput = output
        let ended = DispatchSemaphore(value: 0)
        process.terminationHandler = { _ in ended.signal() }
        guard (try? process.run()) != nil else { return nil }
        guard ended.wait(timeout: .now() + patience / .seconds(1)) == .success else {
            // Of a D-Bus that hangs nothing is to be left, whatever signals it ignores.
            kill(process.processIdentifier, SIGKILL)
            // It is gone as soon as the kernel has it out of whatever it is in.
            _ = ended.wait(timeout: .now() + Self.grace)
            return nil
        }
        // A word: it fits into the pipe whole, and whoever wrote it has ended.
        guard process.terminationReason == .exit, process.terminationStatus == 0 else { return nil }
        switch String(decoding: output.fileHandleForReading.availableData, as: UTF8.self) {
        case "yes\n": return true
        case "no\n": return false
        default: return nil
        }
    }
}
