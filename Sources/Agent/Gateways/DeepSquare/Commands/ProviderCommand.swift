// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser
internal import CommandOutput
internal import DeepSquare
internal import FoundationEssentials
internal import StatusViews

struct ProviderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "provider", abstract: "Show and change this cluster's entry at the grid.",
        discussion: "Asks the running agent; run it as root or SlurmUser.",
        subcommands: [
            Show.self, Register.self, Labels.self, ProviderTryCommand.self, DrainCommand.self, ResumeCommand.self,
        ],
        defaultSubcommand: Show.self)

    private static func report(_ options: ControlOptions) throws -> (String, DeepSquareGateway.ProviderReport) {
        let answer = try options.client.answer(to: ControlRequest("provider"))
        return (answer, try ControlAnswer.decode(DeepSquareGateway.ProviderReport.self, answer))
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show what the chain has of this cluster, what the cluster is, and how they differ.")

        @OptionGroup var options: ControlOptions

        func run() async throws {
            try await reportingControl {
                let (answer, report) = try ProviderCommand.report(options)
                if options.json { return print(answer) }
                print("provider  \(report.address)\nstate     \(report.state)")
                if let entry = report.onChain { ProviderCommand.describe(entry, "on the chain") }
                if let entry = report.waiting { ProviderCommand.describe(entry, "waits for approval") }
                ProviderCommand.describe(report.cluster, "this cluster")
                print("")
                if report.differences.isEmpty {
                    print("The chain's entry says the same as the cluster and the configuration.")
                } else {
                    for difference in report.differences { print("differs: \(difference)") }
                    print(
                        report.isUnderWay == true
                            ? "A registration is on its way already: there is nothing to type."
                            : "`slurm-grid-agent provider register` sends what the cluster is.")
                }
            }
        }
    }

    struct Register: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send what this cluster is to the chain, where it waits for approval.",
            discussion: """
                Prices are read again when jobs end. When they change, the registration is sent once the jobs under way are \
                over, and nothing is claimed until the grid has approved it.
                """)

        @OptionGroup var options: ControlOptions

        func run() async throws {
            try await reportingControl {
                let answer = try options.client.answer(to: ControlRequest("provider-register"))
                if options.json { return print(answer) }
                switch try ControlAnswer.decode(DeepSquareGateway.RegisterAnswer.self, answer) {
                case .unchanged:
                    print("The chain's entry says the same already: nothing was sent.")
                case .draining(let jobs):
                    let time = jobs == 0 ? "in a moment" : "when the \(jobs) jobs under way are over"
                    print("Prices change: it is sent \(time); nothing is claimed until the grid has approved it.")
                case .underWay(let transaction):
                    print(
                        "A registration is on its way already, and no second one was sent: "
                            + "`slurm-grid-agent chain tx show \"\(transaction)\"`. When it is mined, `provider show` tells "
                            + "whether anything still differs.")
                case .sent(let transaction):
                    print("Sent; it waits for approval. `slurm-grid-agent chain tx show \"\(transaction)\"`")
                }
            }
        }
    }

    struct Labels: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the labels, as they are or would be registered, and when they were measured.")

        @OptionGroup var options: ControlOptions

        func run() async throws {
            try await reportingControl {
                let (_, report) = try ProviderCommand.report(options)
                let chain = Dictionary(
                    ((report.waiting ?? report.onChain)?.labels ?? []).map { ($0.key, $0.value) },
                    uniquingKeysWith: { _, last in last })
                let ours = Dictionary(
                    report.cluster.labels.map { ($0.key, $0.value) }, uniquingKeysWith: { _, last in last })
                // Of an operator's own value it says nothing.
                let measured = try ControlAnswer.decode(
                    [String: LabelTime].self, options.client.answer(to: ControlRequest("label-times"))
                ).filter { ours[$0.key] == $0.value.value }.mapValues(\.measuredAt)
                if options.json {
                    return try printJSON(
                        LabelReport(chain: chain, cluster: ours, measuredAt: measured), pretty: false)
                }
                let now = Int64(Date().timeIntervalSince1970)
                var table = Table(["LABEL", "CHAIN", "CLUSTER", "MEASURED"])
                for key in Set(chain.keys).union(ours.keys).sorted() {
                    let time = measured[key].map { "\(LocalTime.short($0, now: now)), \((now - $0) / 86400) days ago" }
                    table.add([key, chain[key] ?? "-", ours[key] ?? "-", time ?? "-"])
                }
                print(table.render())
            }
        }
    }

    private struct LabelReport: Encodable {
        var chain: [String: String]
        var cluster: [String: String]
        /// Unix seconds; of labels whose value was measured.
        var measuredAt: [String: Int64]
    }

    /// `cpu 0.95, gpu 8.5, mem 0.00008 credits a minute`: memory costs too little to be rounded.
    static func prices(_ entry: DeepSquareGateway.ProviderReport.Entry) -> String {
        entry.prices.sorted { $0.key < $1.key }.map { "\($0.key) \(Amount(wei: $0.value)?.exact ?? "?")" }
            .joined(separator: ", ") + " credits a minute"
    }

    private static func describe(_ entry: DeepSquareGateway.ProviderReport.Entry, _ title: String) {
        let prices = prices(entry)
        let labels = entry.labels.map { "\($0.key)=\($0.value)" }.joined(separator: ", ")
        print(
            "\n\(title)\n  hardware  \(entry.hardware)\n  prices    \(prices)\n  labels    \(labels.isEmpty ? "none" : labels)"
        )
    }
}
