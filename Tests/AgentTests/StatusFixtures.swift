// SPDX-License-Identifier: GPL-3.0-or-later

@testable import Agent
@testable import StatusViews

/// What an agent may answer: just installed, at work, in trouble. Made up, but of what the agent really says.
enum StatusFixtures {
    /// 2026-11-21T12:07:29Z
    static let now: Int64 = 1_795_262_849

    static var idle: AgentStatus {
        var status = AgentStatus(
            version: "0.5.0", startedAt: now - 42, now: now, health: .off,
            summary:
                "idle: no grid is configured: write /etc/slurm-grid-agent/config.yaml, then `slurm-grid-agent check`, then `systemctl reload slurm-grid-agent`",
            isReady: true)
        status.cluster = "physics"
        status.slurmVersion = "22.05.8"
        status.parts = [
            part("slurmctld", .ok, "answers"), part("ledger", .ok, "open"), part("plugins", .off, "never heard"),
            part("slurmdbd", .ok, "answers"), part("chain", .off, "not configured"),
            part("grid", .off, "not configured"),
        ]
        status.jobs = .init(openRuns: 3, known: 3)
        return status
    }

    static var busy: AgentStatus {
        var status = AgentStatus(
            version: "0.5.0", startedAt: now - 273_720, now: now, health: .ok,
            summary: "cluster physics: 23 open runs, 4 of the grid, 2 deliveries to deepsquare waiting", isReady: true)
        status.cluster = "physics"
        status.slurmVersion = "22.05.8"
        status.parts = [
            "configuration", "slurm.conf", "slurmctld", "slurmdbd", "plugins", "ledger", "chain", "sbatch service",
        ]
        .map { part($0, .ok, "as it should be") }
        status.jobs = .init(openRuns: 23, openOrders: 1, ofGrid: 4, known: 18_342)
        status.deliveries = [
            .init(gateway: "deepsquare", waiting: 2, parked: 0, oldest: now - 2),
            .init(gateway: "journal", waiting: 0, parked: 0),
        ]
        status.held = [
            .init(
                job: id(42), slurmJob: 34_863_009,
                reason: "the contract would not pay 34 minutes before", until: now + 1260)
        ]
        status.chain = .init(
            id: 179_188, account: "0x5C4C1964340ACA5B65393BBE9D3249CDD71BE266", balance: "14231000000000000000",
            head: 4_182_771, readTo: 4_182_771, lag: 0, inFlight: 2, waiting: 0, alarms: [:])
        status.grid = .init(
            contract: "0xC9AcB97F1132f0FB5dC9c5733B7b04F9079540f0", state: "approved", isApproved: true,
            isDrained: false, credits: "12345678900000000000000")
        status.recentJobs = [
            job(45, .none, "Scheduled", "is being submitted"), job(44, 34_863_011, "Scheduled", "waits in the queue"),
            job(43, 34_863_010, "Running", "runs"), job(42, 34_863_009, "Running", "ended; its report waits"),
            job(41, 34_863_007, "Finished", "done", isOver: true),
        ]
        status.problems = [
            .init(
                at: now - 7200, level: "warning", message: "slurmctld does not answer why=\"connection refused\"",
                count: 3)
        ]
        return status
    }

    static var failing: AgentStatus {
        var status = busy
        status.health = .failure
        status.isReady = false
        status.summary = "cluster physics: 23 open runs, 4 of the grid; FAILURE slurmctld: connection refused"
        status.parts = [
            part("ledger", .ok, "open"), part("journal", .off, "off: journal.file is not set"),
            part("clock", .warning, "4 s behind the chain's newest block: is a time service running here?"),
            part("slurmctld", .failure, "does not answer at head:6817: connection refused; systemctl status slurmctld"),
            part(
                "key", .failure,
                "0x5C4C1964340ACA5B65393BBE9D3249CDD71BE266 has 0.000004 for gas: send it some, or reports stop; each costs about 0.00002"
            ),
        ]
        status.deliveries = [
            .init(
                gateway: "deepsquare", waiting: 27, parked: 2, oldest: now - 4000,
                lastError: "no node of the chain answers: https://node.example:443 timed out")
        ]
        status.held = (1...9).map {
            .init(job: id($0), slurmJob: 34_862_990 + UInt32($0), reason: "the chain does not answer")
        }
        status.chain?.balance = "4000000000000"
        status.chain?.head = nil
        status.chain?.lag = nil
        status.chain?.inFlight = 16
        status.chain?.waiting = 11
        status.chain?.alarms = ["low-balance": "what is left pays for no more reports"]
        status.grid?.state = "banned by the grid's administrators"
        status.grid?.isDrained = true
        status.recentJobs = (1...9).map { job($0, 34_862_990 + UInt32($0), "Running", "ended; its report waits") }
        // A contract may use hashes as ids, and name things as it likes.
        status.recentJobs[0].id = "0x5b856ab7f84c01e8f0aa27cfe44ccc8a52665205ad8f0d5dc7c127085c7106dc"
        status.recentJobs[1].state = "\u{1b}[2Jgone\u{7}\nand\u{202e}more"
        status.problems = (1...20).map { number in
            .init(
                at: now - Int64(number) * 3000, level: number == 1 ? "error" : "warning",
                message:
                    "no node of the chain answers node=https://node\(number).example:443 why=\"timed out after 10 s, as it was \(number) times before this\"",
                count: number)
        }
        status.problems[2].message = "漢字漢字 \u{1b}]0;title\u{7} " + String(repeating: "漢字", count: 60)
        return status
    }

    private static func part(_ name: String, _ level: AgentStatus.Level, _ text: String) -> AgentStatus.Part {
        .init(name: name, level: level, text: text)
    }

    static func id(_ number: Int) -> String {
        let digits = String(number, radix: 16)
        return "0x" + String(repeating: "0", count: 64 - digits.count) + digits
    }

    private static func job(
        _ number: Int, _ slurm: UInt32?, _ chain: String, _ state: String, isOver: Bool = false
    ) -> AgentStatus.Job {
        .init(
            id: id(number), claim: 1, slurmJob: slurm, customer: "0x", chainStatus: chain, state: state, isOver: isOver,
            minutes: 127, reportedMinutes: nil, trouble: nil, earned: nil, steps: [])
    }
}
