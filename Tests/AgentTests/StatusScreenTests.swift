// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import Testing

@testable import Agent
@testable import AgentSettings
@testable import CommandOutput
@testable import StatusViews
@testable import Support

@Suite struct StatusScreenTests {
    private static let all = [
        "idle": StatusFixtures.idle, "busy": StatusFixtures.busy, "failing": StatusFixtures.failing,
    ]

    private static func screen(_ name: String, _ columns: Int? = nil, _ rows: Int? = nil) throws -> StatusScreen {
        // The tests know no time zone.
        try StatusScreen(Gateways.all, status: #require(all[name]), columns: columns, rows: rows) { time, now in
            let ago = now - time
            return ago >= 43_649 ? "yesterday" : ago >= 0 ? "T-\(ago)" : "T+\(-ago)"
        }
    }

    @Test func idle() throws {
        #expect(
            try Self.screen("idle", 80, 23).text == """
                idle     slurm-grid-agent 0.5.0, cluster physics, up 42 s, Slurm 22.05.8     T-0
                idle: no grid is configured: write /etc/slurm-grid-agent/config.yaml, then
                `slurm-grid-agent check`, then `systemctl reload slurm-grid-agent`

                ok       slurmctld, ledger, slurmdbd
                off      plugins, chain, grid
                jobs     3 open runs, 3 known
                """)
    }

    @Test func busy() throws {
        #expect(
            try Self.screen("busy", 80, 23).text == """
                ok       slurm-grid-agent 0.5.0, cluster physics, up 3 d 4 h, Slurm 22.05.8  T-0
                cluster physics: 23 open runs, 4 of the grid, 2 deliveries to deepsquare waiting

                ok       configuration, slurm.conf, slurmctld, slurmdbd, plugins, ledger, chain,
                         sbatch service
                jobs     4 of the grid, 23 open runs, 1 not in Slurm yet, 18342 known
                chain    179188; head 4182771; logs up to date; sending 2
                account  0x5C4C1964340ACA5B65393BBE9D3249CDD71BE266, balance 14.231 coins
                grid     approved; credits 12\u{202f}345.679
                behind   deepsquare: 2 wait, the oldest for 2 s

                DELAYED: kept back for full pay, or tried again
                0x2a (Slurm 34863009)  the contract would not pay 34 minutes before; until
                                       T+1260

                JOB IN FLIGHT  CLAIM     SLURM  CHAIN      MINUTES  STATE
                0x2d               1         -  Scheduled      127  is being submitted
                0x2c               1  34863011  Scheduled      127  waits in the queue
                0x2b               1  34863010  Running        127  runs
                0x2a               1  34863009  Running        127  ended; its report waits

                LAST PROBLEMS: warnings and errors of the log
                T-7200 warning ×3  slurmctld does not answer why="connection refused"
                """)
    }

    @Test func failing() throws {
        #expect(
            try Self.screen("failing", 80, 23).text == """
                FAILURE  slurm-grid-agent 0.5.0, cluster physics, NOT READY, up 3 d 4 h      T-0
                cluster physics: 23 open runs, 4 of the grid; FAILURE slurmctld: connection
                refused
                FAILURE  slurmctld: does not answer at head:6817: connection refused; systemctl
                         status slurmctld
                FAILURE  key: 0x5C4C1964340ACA5B65393BBE9D3249CDD71BE266 has 0.000004 for gas:
                         send it some, or reports stop; each costs about 0.00002
                WARNING  clock: 4 s behind the chain's newest block: is a time service running
                         here?
                ALARM    low-balance: what is left pays for no more reports
                ok       ledger
                off      journal
                jobs     4 of the grid, 23 open runs, 1 not in Slurm yet, 18342 known
                chain    179188; head unknown; logs read to 4182771; sending 16, 11 wait
                account  0x5C4C1964340ACA5B65393BBE9D3249CDD71BE266, balance <0.001 coins
                grid     banned by the grid's administrators; drained; credits 12\u{202f}345.679
                behind   deepsquare: 27 wait, the oldest for 1 h 6 min; 2 PARKED; no node of th…
                DELAYED: kept back for full pay, or tried again
                0x1 (Slurm 34862991)  the chain does not answer
                0x2 (Slurm 34862992)  the chain does not answer
                … and 7 more: slurm-grid-agent grid jobs
                JOBS IN FLIGHT: 9, see slurm-grid-agent grid status
                LAST PROBLEMS: 20, see journalctl -u slurm-grid-agent -p warning
                """)
    }

    @Test("starting is a state of its own, and what is old says how old it is")
    func starting() throws {
        var status = StatusFixtures.idle
        status.health = .starting
        status.summary = "starting: waits for chain, grid"
        status.parts = [
            .init(name: "slurmdbd", level: .ok, text: "answers", at: status.now - 240),
            .init(name: "ledger", level: .ok, text: "open", at: status.now - 20),
            .init(name: "balance", level: .unknown, text: "because no node answers", at: status.now - 20),
        ]
        let text = StatusScreen(Gateways.all, status: status, columns: 80, rows: 23) { _, _ in "T" }.text
        #expect(text.hasPrefix("STARTING slurm-grid-agent") && text.contains("ok       slurmdbd (4 min ago), ledger\n"))
        #expect(text.contains("UNKNOWN  balance: because no node answers (20 s ago)"))
    }

    @Test("it fits, and plays no tricks, on any screen", arguments: all.keys.sorted())
    func sizes(_ name: String) throws {
        for columns in [20, 40, 60, 79, 80, 81, 100, 132, 250] {
            for rows in [5, 12, 23, 24, 40, 100] {
                let lines = try Self.screen(name, columns, rows).lines
                #expect(lines.count <= rows)
                for line in lines {
                    #expect(ScreenText.width(line) <= columns, "\(columns)×\(rows): \(line)")
                    #expect(!line.unicodeScalars.contains(where: PrintableText.isUnsafe))
                }
                // Whether it is well is on every screen.
                #expect(lines.first?.hasPrefix(name == "failing" ? "FAILURE" : name == "busy" ? "ok" : "idle") == true)
            }
        }
    }

    @Test("a taller and wider screen shows more of what is wrong")
    func grows() throws {
        let failing = try Self.screen("failing", 120, 50).text
        for words in [
            "0x9 (Slurm 34862999)  the chain does not answer", "0x5b856ab7…06dc", "no node of the chain answers: https",
            "T-3000 error  no node", "T-6000 warning ×2  no node", "more: journalctl -u slurm-grid-agent -p warning",
        ] { #expect(failing.contains(words), "\(words)") }
        #expect(!failing.contains("JOBS IN FLIGHT: "))
    }

    @Test("without a terminal nothing is left out")
    func everything() throws {
        let text = try Self.screen("failing").text
        let status = StatusFixtures.failing
        for part in status.parts { #expect(text.contains(part.level > .ok ? part.text : part.name)) }
        for job in status.recentJobs { #expect(text.contains(GridCommand.short(job.id))) }
        for problem in status.problems { #expect(text.contains(PrintableText.of(problem.message))) }
        #expect(text.contains(status.deliveries[0].lastError ?? "nothing") && !text.contains("…"))
        #expect(text.contains("yesterday warning ×20"))
        // What is over is no longer in flight.
        #expect(try !Self.screen("busy").text.contains("0x29"))
    }

    @Test("it reads what the agent answers")
    func decodes() throws {
        for status in Self.all.values {
            #expect(try StatusCommand.decode(ControlServer.json(status)) == status)
        }
        let error = #expect(throws: ControlClient.Failure.self) { try StatusCommand.decode(#"{"version":"9"}"#) }
        #expect(error?.description.contains("another release") == true)
    }

    @Test(
        arguments: [
            ([], false, nil), (["--json"], false, nil), (["--watch"], true, nil), (["--watch", "0.5"], true, 0.5),
            (["--watch", "--json"], true, nil), (["--watch", "10", "--control", "/x"], true, 10),
        ] as [([String], Bool, Double?)])
    func parses(_ arguments: [String], _ watch: Bool, _ seconds: Double?) throws {
        let command = try StatusCommand.parse(arguments)
        #expect(command.watch == watch && command.seconds == seconds)
    }

    @Test(arguments: [
        ["--watch", "0"], ["--watch", "nan"], ["--watch", "1e9"], ["--watch", "x"], ["--watch=5"], ["-w"], ["5"],
    ])
    func wrongUse(_ arguments: [String]) {
        let error = #expect(throws: (any Error).self) { try StatusCommand.parse(arguments) }
        #expect(error.map { StatusCommand.exitCode(for: $0).rawValue } == 64)
    }
}
