// SPDX-License-Identifier: GPL-3.0-or-later

import CSlurm
import Testing

@testable import Slurm

@Suite("The digest of a record") struct JobDigestTests {
    private static func record(_ text: Texts, state: UInt32) -> slurm_job_info_t {
        var job = slurm_job_info_t()
        job.job_id = 7
        job.array_task_id = cs_NO_VAL
        job.job_state = state
        job.user_id = 1000
        job.name = text("job")
        job.account = text("a")
        job.partition = text("main")
        job.submit_time = 100
        job.start_time = 200
        job.end_time = 300
        job.time_limit = 60
        return job
    }

    private typealias Change = @Sendable (inout slurm_job_info_t, Texts) -> Void

    private static let always: [(String, Change)] = [
        ("id", { job, _ in job.job_id = 8 }), ("state", { job, _ in job.job_state |= cs_JOB_COMPLETING }),
        ("owner", { job, _ in job.user_id = 1001 }), ("array", { job, _ in job.array_job_id = 3 }),
        ("task", { job, _ in job.array_task_id = 0 }), ("component", { job, _ in job.het_job_offset = 1 }),
        ("leader", { job, _ in job.het_job_id = 5 }), ("submitted", { job, _ in job.submit_time = 101 }),
        ("restarts", { job, _ in job.restart_cnt = 1 }), ("limit", { job, _ in job.time_limit = 61 }),
        ("name", { job, text in job.name = text("jobs") }), ("no name", { job, _ in job.name = nil }),
        ("user", { job, text in job.user_name = text("u") }), ("account", { job, text in job.account = text("b") }),
        ("partition", { job, text in job.partition = text("main,other") }),
        ("nodes", { job, text in job.nodes = text("n1") }),
        ("TRES", { job, text in job.tres_alloc_str = text("cpu=1") }),
        ("admin comment", { job, text in job.admin_comment = text("sga:1") }),
        ("pending tasks", { job, text in job.array_task_str = text("1-3") }),
        (
            "a text that moves to the next field",
            { job, text in
                job.name = text("joba"); job.account = nil
            }
        ),
    ]

    private static let never: [(String, Change)] = [
        ("reason", { job, _ in job.state_reason = 3 }), ("priority", { job, _ in job.priority = 9 }),
        ("the scheduler's look", { job, _ in job.last_sched_eval = 999 }),
        ("comment", { job, text in job.comment = text("x") }),
        ("an empty text for none", { job, text in job.nodes = text("") }),
    ]

    private static func digest(_ state: UInt32, _ change: Change = { _, _ in }) -> UInt64 {
        let text = Texts()
        defer { withExtendedLifetime(text) {} }
        var job = record(text, state: state)
        change(&job, text)
        return cs_job_digest(&job, 42)
    }

    @Test(arguments: [0, 1, 2, 3, 11] as [UInt32]) func whatAnObservationIsMadeOf(state: UInt32) {
        let plain = Self.digest(state)
        #expect(plain == Self.digest(state))
        for (name, change) in Self.always { #expect(Self.digest(state, change) != plain, "\(name)") }
        for (name, change) in Self.never { #expect(Self.digest(state, change) == plain, "\(name)") }
        #expect(Set(Self.always.map { Self.digest(state, $0.1) }).count == Self.always.count)
    }

    /// slurmctld's guesses at times to come are left out.
    @Test func times() {
        let times: [(String, Change, Set<UInt32>)] = [
            ("start", { job, _ in job.start_time = 201 }, [1, 2, 3, 5]),
            ("end", { job, _ in job.end_time = 301 }, [3, 5]),
            ("exit", { job, _ in job.exit_code = 256 }, [3, 5]),
            ("suspended", { job, _ in job.suspend_time = 250 }, [3, 5]),
            ("before it", { job, _ in job.pre_sus_time = 50 }, [3, 5]),
        ]
        for state in [0, 1, 2, 3, 5] as [UInt32] {
            for (name, change, states) in times {
                #expect(
                    (Self.digest(state, change) != Self.digest(state)) == states.contains(state), "\(name) in \(state)")
            }
        }
    }

    @Test func theSeedCounts() {
        var job = slurm_job_info_t()
        #expect(cs_job_digest(&job, 1) != cs_job_digest(&job, 2))
    }
}
