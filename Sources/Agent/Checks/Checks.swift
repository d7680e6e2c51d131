// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import JobLifecycle
internal import Logging
internal import Slurm

/// Everything that `run` depends on, tried one after the other. Changes nothing.
struct Checks {
    let configuration: AgentConfiguration
    let file: String?
    /// The running agent's own parts; nil: `check` is a process of its own and opens what it needs.
    var running: RunningParts?
    /// Also what costs more: a question to slurmdbd by a process of its own, all jobs, a search of the chain for another
    /// sender, a sign-in at the batch script service.
    var isThorough = true

    func all() async -> [Finding] {
        let host = host()
        let slurm = await slurm()
        return host + slurm + (await chain())
    }

    func ok(_ subject: String, _ text: String) -> Finding { Finding(level: .ok, subject: subject, text: text) }
    func warning(_ subject: String, _ text: String) -> Finding {
        Finding(level: .warning, subject: subject, text: text)
    }
    func failure(_ subject: String, _ text: String) -> Finding {
        Finding(level: .failure, subject: subject, text: text)
    }
}

/// What one check found.
struct Finding: Codable, Equatable, Sendable {
    enum Level: String, Codable, Sendable {
        case ok, warning, failure
    }

    var level: Level
    var subject: String
    /// What is so; and what to do, if it should not be.
    var text: String

    /// `warning  slurmdbd   …`
    var line: String {
        func pad(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(1, width - text.count))
        }
        return pad(level.rawValue, 9) + pad(subject, 16) + Table.printable(text)
    }
}
