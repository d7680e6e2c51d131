// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser
internal import CommandOutput
internal import FoundationEssentials
internal import Jarvice
internal import Support

struct JarviceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jarvice", abstract: "Show what a JARVICE upstream asked the agent for.",
        discussion: "Asks the running agent; run it as root or SlurmUser.",
        subcommands: [Status.self, JarviceDialogueCommand.self, JarviceFilesCommand.self],
        defaultSubcommand: Status.self)

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show what became of calls to submit, the token issuer's keys, and tokens that were refused.")

        @OptionGroup var options: ControlOptions

        func run() async throws {
            try await reportingControl {
                let answer = try options.client.answer(to: ControlRequest("jarvice"))
                if options.json { return print(answer) }
                print(JarviceCommand.text(try ControlAnswer.decode(JarviceSection.self, answer)))
            }
        }
    }

    static func text(_ section: JarviceSection) -> String {
        let counts = section.counts
        let keys = section.keyAge.map { "\(section.keys), read \($0) s ago" } ?? "not read yet"
        let lines = [
            "submitted  \(counts.submitted) jobs since the start, \(counts.repeated) times asked for again, "
                + "\(counts.ended) ended",
            "refused    \(counts.refused) calls to submit, \(counts.tokenRefused) of them for their token",
            section.isInsecure
                ? "tokens     NOT VERIFIED: jarvice.insecure-tokens is true"
                : "tokens     verified; the issuer's keys: \(keys)",
        ]
        let refusals = section.refusals.map {
            PrintableText.of("           \(LocalTime.short($0.at)): \($0.reason)")
        }
        return (lines + refusals).joined(separator: "\n")
    }
}
