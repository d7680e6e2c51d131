// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import FoundationEssentials
internal import JobLifecycle
internal import Logging
internal import NIOConcurrencyHelpers
internal import Slurm
internal import StatusViews
internal import Support

/// Everything that `run` depends on, tried one after the other. Changes nothing.
struct Checks {
    let configuration: AgentConfiguration
    let file: String?
    /// The running agent's own parts; nil: `check` is a process of its own and opens what it needs.
    var running: RunningParts?
    /// Also what costs more: a question to slurmdbd by a process of its own, all jobs, a search of the chain for another
    /// sender, a sign-in at the batch script service.
    var isThorough = true
    /// By subject, what of that is tried all the same.
    var again: Set<String> = []
    var modules = Gateways.all
    /// systemd's folder with the credentials of this process.
    var credentials = ProcessInfo.processInfo.environment["CREDENTIALS_DIRECTORY"]
    /// Where an administrator puts them.
    var credentialsFolder = SecretTrust.credentialsFolder
    /// What the agent that runs here says, asked once; set: of an agent that was not asked.
    let asked = NIOLockedValueBox<Result<AgentStatus, ControlClient.Failure>?>(nil)

    func all() async -> [Finding] {
        let clock = Self.clock(
            await HostClock.isSynchronised, isRunning: running != nil, isContainer: HostClock.isOfAnotherMachine)
        let host = host() + [clock].compactMap { $0 } + secrets() + ports()
        let slurm = await slurm()
        return host + slurm + (await ofGateways("checks") { await $0.checks(self) })
    }

    /// None of them waits for another, nor does anybody wait for one that hangs.
    func ofGateways(
        _ what: String, _ ask: @escaping @Sendable (any GatewayModule) async -> [Finding]
    ) async -> [Finding] {
        let answers = running?.answers ?? GatewayAnswers()
        return await answers.all(modules, what, within: Self.patience, ask).flatMap { module, found in
            found ?? [unknown(module.troublePart, because: "the checks of \(module.name) do not come back")]
        }
    }

    private static let patience: Duration = .seconds(120)

    /// Of the running agent, by its control socket.
    var agentStatus: Result<AgentStatus, ControlClient.Failure> {
        if let known = asked.withLockedValue({ $0 }) { return known }
        let client = ControlClient(socket: configuration.controlSocket, patience: 10)
        let answer: Result<AgentStatus, ControlClient.Failure>
        do {
            answer = .success(try StatusCommand.decode(client.answer(to: ControlRequest("status"))))
        } catch let failure as ControlClient.Failure {
            answer = .failure(failure)
        } catch {
            answer = .failure(.init(exitStatus: 1, description: "the agent's answer cannot be read: \(error)"))
        }
        asked.withLockedValue { $0 = answer }
        return answer
    }

    func ok(_ subject: String, _ text: String) -> Finding { Finding(level: .ok, subject: subject, text: text) }
    func warning(_ subject: String, _ text: String) -> Finding {
        Finding(level: .warning, subject: subject, text: text)
    }
    func failure(_ subject: String, _ text: String) -> Finding {
        Finding(level: .failure, subject: subject, text: text)
    }
    /// What cannot be tried is neither well nor amiss.
    func unknown(_ subject: String, because why: String) -> Finding {
        Finding(level: .unknown, subject: subject, text: "because \(why)")
    }
}

/// What one check found.
struct Finding: Codable, Equatable, Sendable {
    enum Level: String, Codable, Sendable {
        case ok, unknown, warning, failure
    }

    var level: Level
    var subject: String
    /// What is so; and what to do, if it should not be.
    var text: String
    /// When it was found, Unix seconds; nil: now.
    var at: Int64?

    /// `warning  slurmdbd   …`
    var line: String {
        func pad(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(1, width - text.count))
        }
        return pad(level.rawValue, 9) + pad(subject, 16) + PrintableText.of(text)
    }
}
