// SPDX-License-Identifier: GPL-3.0-or-later

import DeepSquare
import Ethereum
import Foundation
import Testing

@testable import Agent
@testable import AgentSettings
@testable import StatusViews

/// What the commands print of money: credits and coins, no wei.
@Suite struct MoneyTests {
    private static func job(
        _ number: Int, earned: String?, isOver: Bool, _ state: String, reported: Int = 5, isTooMuch: Bool = false
    ) throws -> GridStatus.Job {
        let earned = earned.map { "\"\($0)\"" } ?? "null"
        let text = """
            {"job": "\(StatusFixtures.id(number))", "claim": 1, "customer": "0x", "slurmJob": 7, "minutes": 10,
             "chainStatus": "Finished", "state": "\(state)", "reportedMinutes": \(reported),
             "wasBilledTooMuch": \(isTooMuch),
             "isOver": \(isOver), "earned": \(earned), "steps": []}
            """
        return try JSONDecoder().decode(GridStatus.Job.self, from: Data(text.utf8))
    }

    @Test("grid jobs has what each job was billed, and earned")
    func jobs() throws {
        let jobs = [
            try Self.job(1, earned: "8333333333333333333", isOver: true, "done"),
            try Self.job(2, earned: nil, isOver: true, "Finished on the chain"),
            try Self.job(3, earned: nil, isOver: false, "runs"),
            try Self.job(4, earned: "0", isOver: true, "given back: no"),
            try Self.job(5, earned: "1000", isOver: true, "done", reported: 0),
            try Self.job(6, earned: "1000", isOver: true, "done", isTooMuch: true),
        ]
        #expect(
            GridCommand.table(jobs) == """
                JOB  CLAIM  SLURM  CHAIN     MINUTES  REPORTED  BILLED  EARNED  STATE
                0x1      1      7  Finished       10         5       5   8.333  done
                0x2      1      7  Finished       10         5       ?       ?  Finished on the chain
                0x3      1      7  Finished       10         5       -       -  runs
                0x4      1      7  Finished       10         5       0       0  given back: no
                0x5      1      7  Finished       10         0       1  <0.001  done
                0x6      1      7  Finished       10         5       ?  <0.001  done; BILLED TOO MUCH
                """)
    }

    @Test("credits in grid status")
    func credits() throws {
        let text = """
            {"contract": "0xC", "provider": "0xP", "state": "approved", "isApproved": true, "isOpen": true,
             "isDrained": false, "isRegistering": false, "credits": "133920000000000000000", "queues": {}, "jobs": [],
             "creditsAt": \(Int64(Date().timeIntervalSince1970)),
             "waitingReports": 0}
            """
        let status = try JSONDecoder().decode(GridStatus.self, from: Data(text.utf8))
        #expect(GridCommand.text(status).contains("\ncredits    133.92 credits"))
        // Times as `status` shows them.
        #expect(GridCommand.text(status).contains(#/, read at (\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d\n/#))
        #expect(!GridCommand.text(status).contains("wei"))
    }

    @Test("coins in chain status")
    func coins() throws {
        let text = """
            {"account": {"chain": 1337, "address": "0xA", "balance": "14231000000000000000", "inFlight": 0, "waiting": 0,
             "alarms": {}}}
            """
        let shown = ChainCommand.Status.text(try JSONDecoder().decode(ChainParts.Status.self, from: Data(text.utf8)))
        #expect(shown.contains("\nbalance    14.231 coins\n"))
        #expect(!shown.contains("wei"))
    }

    @Test("what is not known is no amount", arguments: [nil, "", "x"])
    func unknown(_ wei: String?) {
        #expect(Amount.text(wei, "credits") == "?")
    }

    @Test("prices of provider show, to the last digit")
    func prices() throws {
        let text = """
            {"hardware": "", "labels": [],
             "prices": {"gpu": "8500000000000000000", "cpu": "950000000000000000", "mem": "80000000000000"}}
            """
        let entry = try JSONDecoder().decode(DeepSquareGateway.ProviderReport.Entry.self, from: Data(text.utf8))
        #expect(ProviderCommand.prices(entry) == "cpu 0.95, gpu 8.5, mem 0.00008 credits a minute")
    }

    // MARK: earnings

    private static func statement(_ by: String, _ rows: String, since: Int64 = 1_793_491_200) throws -> GridStatement {
        let text = """
            {"by": "\(by)", "since": \(since), "rows": [\(rows)], "jobs": 3, "credits": "1208333333333333333333"}
            """
        return try JSONDecoder().decode(GridStatement.self, from: Data(text.utf8))
    }

    private static let rows = """
        {"name": "2026-11-21", "jobs": 2, "credits": "8333333333333333333"},
        {"name": "2026-11-20", "jobs": 1, "credits": "1200000000000000000000"}
        """

    @Test("a table with the sum")
    func earnings() throws {
        #expect(
            GridEarningsCommand.text(try Self.statement("day", Self.rows)) == """
                DAY         JOBS    CREDITS
                2026-11-21     2      8.333
                2026-11-20     1      1\u{202f}200
                total          3  1\u{202f}208.333
                since 2026-11-01 00:00:00 UTC
                """)
        #expect(
            GridEarningsCommand.text(try Self.statement("month", "", since: 0))
                == "nothing has been paid in the last 400 days")
    }

    @Test("comma-separated values have every digit and no spaces for people")
    func csv() throws {
        #expect(
            GridEarningsCommand.csv(try Self.statement("day", Self.rows)) == """
                day,jobs,credits
                2026-11-21,2,8.333333333333333333
                2026-11-20,1,1200

                """)
        #expect(GridEarningsCommand.csv(try Self.statement("customer", "")) == "customer,jobs,credits\n")
    }

    private static let now: Int64 = 1_795_262_849

    @Test(
        "since when",
        arguments: [
            ([], now - 30 * 86_400), (["--by", "customer"], now - 30 * 86_400), (["--by", "month"], 0),
            (["--since", "2026-11-01"], 1_793_491_200), (["--since", "90d", "--by", "month"], now - 90 * 86_400),
            (["--since", "1d12h"], now - 129_600), (["--since", "2024-02-29"], 1_709_164_800),
        ] as [([String], Int64)])
    func since(_ words: [String], _ start: Int64) throws {
        let command = try #require(
            try SlurmGridAgent.parseAsRoot(["grid", "earnings"] + words) as? GridEarningsCommand)
        #expect(try command.start(now: Self.now) == start)
    }

    @Test(
        "no time, no grouping",
        arguments: [
            ["--since", "2026-02-30"], ["--since", "yesterday"], ["--since", ""], ["--since", "0"], ["--since", "5"],
            ["--since", "2026-11-1"], ["--since", "2026-11-01T00"], ["--since", "٢٠٢٦-11-01"], ["--by", "week"],
            ["--csv", "--json"],
        ])
    func refused(_ words: [String]) {
        let error = #expect(throws: (any Error).self) {
            try SlurmGridAgent.parseAsRoot(["grid", "earnings"] + words)
        }
        #expect(error.map { SlurmGridAgent.exitCode(for: $0).rawValue } == 64)
    }

    // MARK: the key's use

    private static func use(_ claims: [UInt64], knownSince: Int64?, since: UInt64 = 1000) -> (
        isWarning: Bool, text: String
    ) {
        KeyUse(
            since: since, wanted: 1000, knownSince: knownSince,
            claims: claims.map { GridProbe.ForeignClaim(transaction: .zero, time: $0) }
        ).finding
    }

    @Test("the agent's own claims from before its state was lost are not another program's")
    func ownEarlierClaims() {
        let before = Self.use([1500, 2000], knownSince: 2000)
        #expect(!before.isWarning && !before.text.contains("another program claimed"))
        #expect(before.text.contains("this agent's of then"))
        // What was under way then is mined a little later.
        #expect(!Self.use([2060], knownSince: 2000).isWarning)
        for (claims, since) in [([1500, 2061], 2000), ([1500], nil), ([1500], -5)] as [([UInt64], Int64?)] {
            let use = Self.use(claims, knownSince: since)
            #expect(use.isWarning && use.text.hasPrefix("another program claimed jobs with this key, last at"))
        }
        #expect(Self.use([], knownSince: 2000).text == "nobody else's in the last hour")
        #expect(Self.use([], knownSince: 2000, since: 1001).text.contains("too few blocks"))
    }
}
