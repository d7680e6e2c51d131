// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser
internal import CommandOutput
internal import DeepSquare
internal import FoundationEssentials
internal import StatusViews
internal import Support

struct GridEarningsCommand: AsyncParsableCommand {
    /// As `GridStatement.Grouping`.
    enum Grouping: String, ExpressibleByArgument, CaseIterable {
        case day, customer, month
    }

    static let configuration = CommandConfiguration(
        commandName: "earnings", abstract: "Show what the grid paid, by day, customer or month.",
        discussion: """
            Days and months are UTC, of the blocks that paid; payments are kept for 400 days. Credits are rounded to three \
            places; --csv has every digit, --json has wei.
            """)

    @OptionGroup var options: ControlOptions

    @Option(
        help: ArgumentHelp(
            "From when on: a day, as 2026-11-01, or how long ago, as 90d or 12h (default: 30d; with --by month all).",
            valueName: "time"))
    var since: String?

    @Option(help: ArgumentHelp("What is added up: day, customer or month.", valueName: "what"))
    var by = Grouping.day

    @Flag(help: "Print comma-separated values, with a header.")
    var csv = false

    func validate() throws {
        guard !(csv && options.json) else { throw ValidationError("--csv and --json exclude each other") }
        _ = try start(now: 0)
    }

    func run() async throws {
        try await reportingControl {
            var request = ControlRequest("grid-earnings")
            request.since = try start(now: Int64(Date().timeIntervalSince1970))
            request.by = by.rawValue
            let answer = try options.client.answer(to: request)
            if options.json { return print(answer) }
            let statement = try ControlAnswer.decode(GridStatement.self, answer)
            print(csv ? Self.csv(statement) : Self.text(statement), terminator: csv ? "" : "\n")
        }
    }

    /// Unix seconds.
    func start(now: Int64) throws -> Int64 {
        guard let since else { return by == .month ? 0 : now - 30 * 86_400 }
        if let day = Self.day(since) { return day }
        if let ago = Duration(text: since), since != "0" { return now - ago.components.seconds }
        throw ValidationError("\"\(PrintableText.of(since))\" is neither a day, as 2026-11-01, nor a time span, as 90d")
    }

    /// The first second of a day in UTC.
    private static func day(_ text: String) -> Int64? {
        guard text.wholeMatch(of: #/\d{4}-\d\d-\d\d/#) != nil,
            let date = try? Date(text, strategy: .iso8601.year().month().day()),
            // Some parsers take the 31st of a month that has none.
            date.formatted(.iso8601.year().month().day()) == text
        else { return nil }
        return Int64(date.timeIntervalSince1970)
    }

    static func text(_ statement: GridStatement) -> String {
        let since =
            statement.since > 0
            ? "since \(PageTime.full(statement.since))" : "in the last 400 days"
        guard !statement.rows.isEmpty else { return "nothing has been paid \(since)" }
        var table = Table([statement.by.rawValue.uppercased(), "JOBS", "CREDITS"], rightAligned: [1, 2])
        func row(_ name: String, _ jobs: Int, _ credits: String) {
            table.add([name, "\(jobs)", Amount(wei: credits)?.rounded ?? "?"])
        }
        for one in statement.rows { row(one.name, one.jobs, one.credits) }
        row("total", statement.jobs, statement.credits)
        return table.render() + "\n" + since
    }

    /// Spreadsheets add it up themselves: no total.
    static func csv(_ statement: GridStatement) -> String {
        ([[statement.by.rawValue, "jobs", "credits"]]
            + statement.rows.map { [$0.name, "\($0.jobs)", Amount(wei: $0.credits)?.exact ?? ""] })
            .map { $0.joined(separator: ",") + "\n" }.joined()
    }
}
