// SPDX-License-Identifier: GPL-3.0-or-later

internal import AdminHTTP
internal import AgentSettings
internal import ArgumentParser
internal import CommandOutput
internal import Jarvice
internal import Support

/// Recorded requests, sent to a running agent once more.
struct JarviceDialogueCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dialogue", abstract: "Send recorded requests to a running agent, and compare its answers.",
        discussion: """
            Each line of FILE is one request, an object of JSON: path, and where they matter method, args (the form's), \
            status, type and body (what was answered then). Requests that submit, end or release jobs are left out \
            without --changes. Exit status 1: an answer is another one.
            """)

    @Argument(help: "The recorded requests, a JSON object a line.", completion: .file())
    var file: String

    @Option(help: ArgumentHelp("Where the agent listens: a URL or a Unix socket's path.", valueName: "address"))
    var to = "http://127.0.0.1:8080"

    @Option(
        help: ArgumentHelp("Holds user:password, as jarvice.server-key-file does.", valueName: "path"),
        completion: .file())
    var keyFile: String?

    @Option(help: ArgumentHelp("A PEM file that verifies an https agent.", valueName: "path"), completion: .file())
    var ca: String?

    @Flag(help: "Send also what submits, ends or releases jobs.")
    var changes = false

    func run() async throws {
        guard to.hasPrefix("/") || to.hasPrefix("http://") || to.hasPrefix("https://") else {
            throw ValidationError("--to is neither a URL nor a path: \(to)")
        }
        let lines: [DialogueLine]
        let key: String?
        do {
            lines = try DialogueLine.all(
                of: try ConfigurationFile.read(file, missing: "name a file of recorded requests"))
            key = try keyFile.map { String(decoding: try AdminToken(file: $0).bytes, as: UTF8.self) }
        } catch {
            complain("slurm-grid-agent: \(error)")
            throw ExitCode(65)
        }
        var counts = (same: 0, different: 0, skipped: 0, failed: 0)
        let player = DialoguePlayer(address: to, key: key, authority: ca, sendsChanges: changes)
        try await player.play(lines) { method, path, outcome in
            let words: String
            switch outcome {
            case .same:
                counts.same += 1
                words = "same"
            case .answered(let status):
                counts.same += 1
                words = "answered with \(status)"
            case .different(let what):
                counts.different += 1
                words = "DIFFERS: \(what)"
            case .skipped:
                counts.skipped += 1
                words = "left out: it changes jobs (--changes)"
            case .incomplete(let names):
                counts.skipped += 1
                words = "left out: \(names.joined(separator: ", ")) of it was not recorded"
            case .failed(let why):
                counts.failed += 1
                words = "NO ANSWER: \(why)"
            }
            print(PrintableText.of("\(method) \(path)  \(words)"))
        }
        print(
            "\(lines.count) requests: \(counts.same) as recorded, \(counts.different) different, \(counts.skipped) left out, "
                + "\(counts.failed) without an answer")
        if counts.failed > 0 { throw ExitCode(69) }
        if counts.different > 0 { throw ExitCode(1) }
    }
}
