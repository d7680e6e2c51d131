// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser
internal import CommandOutput
internal import FoundationEssentials
internal import Glibc
internal import StatusViews
internal import Support

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show how the agent does, on one screen.",
        discussion: """
            Health, jobs in flight, what waits to be told and why, the chain, the balance, the last warnings and errors of the \
            log. Asks the running agent; run it as root or SlurmUser.

            EXIT STATUS
              0   all is well, or nothing is configured yet, or there are warnings; --watch: ended with Ctrl-C
              1   something fails: the screen says what, and what to do
              64  wrong use of the command line
              69  no agent answers
              75  it is starting: the screen says what is awaited; ask again
              77  permission denied

            WITH --nagios
              0   OK
              1   WARNING
              2   CRITICAL: something fails, or no agent answers
              3   UNKNOWN: the agent could not be asked
            """)

    @OptionGroup var options: ControlOptions

    @Flag(help: "Show it again and again, until Ctrl-C.")
    var watch = false

    @Flag(help: "Print one line and end with 0, 1, 2 or 3, as monitoring plugins do.")
    var nagios = false

    @Argument(help: "With --watch: how often (default: 2).")
    var seconds: Double?

    /// A part that hangs may make the agent slow, not silent.
    private static let patience = 10

    func validate() throws {
        guard !nagios || !watch && !options.json else {
            throw ValidationError("--nagios goes with neither --watch nor --json")
        }
        guard let seconds else { return }
        guard watch else { throw ValidationError("\(seconds) without --watch means nothing") }
        guard seconds >= 0.2, seconds <= 3600 else { throw ValidationError("--watch takes 0.2 to 3600 seconds") }
    }

    func run() async throws {
        if nagios { return try reportToMonitoring() }
        try await reportingControl {
            if watch {
                try await StatusWatch(client: client, json: options.json, interval: seconds ?? 2).run()
            } else {
                let answer = try client.answer(to: ControlRequest("status"))
                let status = try Self.decode(answer)
                if options.json {
                    print(answer)
                } else {
                    // One row is the shell's.
                    let size = Terminal.isThere ? Terminal.size : nil
                    print(
                        StatusScreen(
                            Gateways.all, status: status, columns: size?.columns, rows: size.map { $0.rows - 1 }
                        ).text)
                }
                if let code = Self.exitStatus(status.health) { throw ExitCode(code) }
            }
        }
    }

    private func reportToMonitoring() throws {
        let report: NagiosReport
        do {
            report = NagiosReport(Gateways.all, try Self.decode(try client.answer(to: ControlRequest("status"))))
        } catch let failure as ControlClient.Failure {
            report = NagiosReport(failure)
        }
        print(report.line)
        if report.state != .ok { throw ExitCode(report.state.rawValue) }
    }

    private var client: ControlClient {
        var client = options.client
        client.patience = Self.patience
        return client
    }

    /// nil: success.
    static func exitStatus(_ health: AgentStatus.Level) -> Int32? {
        switch health {
        case .failure: 1
        case .starting: 75
        case .ok, .off, .warning, .unknown: nil
        }
    }

    static func decode(_ answer: String) throws(ControlClient.Failure) -> AgentStatus {
        do {
            return try ControlAnswer.decode(AgentStatus.self, answer)
        } catch {
            throw ControlClient.Failure(
                exitStatus: 1,
                description:
                    "the running agent is of another release than this command: systemctl restart slurm-grid-agent")
        }
    }
}

/// `status --watch`: over and over, also while the agent is away.
private struct StatusWatch {
    let client: ControlClient
    let json: Bool
    let interval: Double

    func run() async throws {
        Terminal.endWellOnInterrupt()
        var last: AgentStatus?
        var silentSince: Int64?
        while true {
            var trouble: String?
            var answer = ""
            do throws(ControlClient.Failure) {
                answer = try ask()
                last = try StatusCommand.decode(answer)
            } catch {
                // Neither gets better by itself.
                guard error.exitStatus != 64, error.exitStatus != 77 else { throw error }
                trouble = error.description
            }
            let now = Int64(Date().timeIntervalSince1970)
            let isNews = trouble == nil || silentSince == nil
            silentSince = trouble == nil ? nil : silentSince ?? now
            let notice = trouble.map { "NO ANSWER since \(LocalTime.short(silentSince ?? now, now: now)): \($0)" }
            guard show(answer, last, notice, isNews: isNews, now: now) else { return }
            try await Task.sleep(for: .seconds(interval))
        }
    }

    private func ask() throws(ControlClient.Failure) -> String {
        do {
            return try client.answer(to: ControlRequest("status"))
        } catch let error as ControlClient.Failure {
            throw error
        } catch {
            throw ControlClient.Failure(exitStatus: 1, description: "\(error)")
        }
    }

    /// - Returns: whether anybody still looks.
    private func show(_ answer: String, _ last: AgentStatus?, _ notice: String?, isNews: Bool, now: Int64) -> Bool {
        if json {
            guard notice == nil else {
                if isNews { complain("slurm-grid-agent: \(notice ?? "")") }
                return true
            }
            return Terminal.write(answer + "\n")
        }
        guard Terminal.isThere else {
            guard isNews else { return true }
            let text = notice.map(PrintableText.of) ?? last.map { StatusScreen(Gateways.all, status: $0).text } ?? ""
            return Terminal.write(
                "---- \(LocalTime.text(Date(timeIntervalSince1970: Double(now))))\n\(text)\n")
        }
        let size = Terminal.size
        var lines: [String] = []
        if let notice {
            let words = notice + (last.map { "; below is what it said at \(LocalTime.short($0.now, now: now))" } ?? "")
            lines = ScreenText.wrap(PrintableText.of(words), columns: size.columns, limit: 4) + [""]
        }
        if let last {
            lines +=
                StatusScreen(Gateways.all, status: last, columns: size.columns, rows: max(1, size.rows - lines.count))
                .lines
        }
        return Terminal.write(Terminal.redraw(lines, rows: size.rows))
    }
}

extension NagiosReport {
    init(_ failure: ControlClient.Failure) {
        self.init(isDown: failure.exitStatus == 69, failure.description)
    }
}
