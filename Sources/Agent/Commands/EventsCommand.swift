// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser
internal import CommandOutput
internal import FoundationEssentials
internal import Glibc
internal import JobLifecycle
internal import Observability

struct EventsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events",
        abstract: "Show what happens to jobs while it happens.",
        discussion: """
            Transitions (numbered, as the ledger keeps them) and the observations behind them, from the running agent. \
            With --json each line is an object with one of transition, observation, hint (docs/ledger.md). Ends with \
            Ctrl-C.
            """
    )

    @OptionGroup var options: ControlOptions

    @Option(
        help: ArgumentHelp("First the transitions after this number that the ledger still has.", valueName: "sequence"))
    var since: Int64?

    @Flag(name: .customLong("transitions-only"), help: "Leave observations and hints out.")
    var transitionsOnly = false

    func run() async throws {
        try await reportingControl {
            var request = ControlRequest("events")
            request.since = since
            request.observations = !transitionsOnly
            try options.client.ask(request) { line in
                if options.json {
                    print(line)
                } else if let event = try? JSONDecoder().decode(EventLine.self, from: Data(line.utf8)) {
                    print(event.text)
                }
                fflush(nil)
            }
        }
    }
}

extension EventLine {
    /// One aligned line: time, job, what, details.
    var text: String {
        if let transition {
            var words = ["\(transition.sequence)"]
            if let state = transition.state, state.isEnd { words.append(state.rawValue) }
            if let code = transition.exitCode { words.append("exit \(code)") }
            if let signal = transition.exitSignal { words.append("signal \(signal)") }
            if let elapsed = transition.elapsed { words.append("after \(elapsed) s") }
            if let name = transition.details.name { words.append(LogText.quoted(name)) }
            if let user = transition.details.userName { words.append(user) }
            if let message = transition.message { words.append(message) }
            return Self.line(
                transition.recordedAt, transition.job ?? "-",
                transition.kind.rawValue + (transition.isFinal ? " (final)" : ""), words.joined(separator: "  "))
        }
        if let observation {
            let flags = (observation.completing ? "+COMPLETING" : "") + (observation.requeueing ? "+REQUEUE" : "")
            return Self.line(
                observation.timeUs, observation.job, "· \(observation.source.rawValue)",
                observation.state.rawValue + flags)
        }
        if let hint { return Self.line(hint.timeUs, "\(hint.jobID)", "· hint", hint.reason.rawValue) }
        return ""
    }

    private static func line(_ time: Int64, _ job: String, _ what: String, _ rest: String) -> String {
        func padded(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(0, width - text.count))
        }
        return "\(LocalTime.clock(microseconds: time))  \(padded(job, 12)) \(padded(what, 18)) \(rest)"
    }
}
