// SPDX-License-Identifier: GPL-3.0-or-later

import JobLifecycle
import Testing

@testable import Jarvice

@Suite struct StateTests {
    private static let endings: [(SchedulerState.Base, Int, String, String)] = [
        (.completed, 0, "CD", "COMPLETED"), (.failed, 1, "F", "FAILED"),
        (.nodeFail, 1, "NF", "NODE_FAIL"), (.outOfMemory, 1, "OOM", "OUT_OF_MEMORY"),
        (.cancelled, -15, "CA", "CANCELLED"), (.deadline, -15, "DL", "DEADLINE"), (.preempted, -15, "PR", "PREEMPTED"),
        (.timeout, -9, "TO", "TIMEOUT"), (.bootFail, -9, "BF", "BOOT_FAIL"), (.revoked, -9, "RV", "REVOKED"),
    ]

    @Test(arguments: endings)
    func ends(state: SchedulerState.Base, code: Int, short: String, long: String) {
        func text(_ state: String, _ elapsed: String) -> String {
            "[\(code),\"\(elapsed)\",[\"\",\"<< termination state: \(state) -- see STDOUT for job errors >>\"]]"
        }
        #expect(
            EndAnswer(state: state, elapsed: 93_784, fromAccounting: false)?.json.text == text(short, "26:03:04"))
        #expect(
            EndAnswer(state: state, elapsed: 93_784, fromAccounting: true)?.json.text == text(long, "1-02:03:04"))
    }

    @Test(arguments: [SchedulerState.Base.pending, .running, .suspended])
    func noEnds(state: SchedulerState.Base) {
        #expect(EndAnswer(state: state, elapsed: 0, fromAccounting: false) == nil)
    }

    @Test func unknownJob() {
        #expect(EndAnswer.unknown.json.text == "[-9,\"00:00:00\",[]]")
    }

    private func job(
        _ id: UInt32, _ name: String, _ state: SchedulerState.Base, _ flags: ListedJob.Flags = [],
        partition: String = "p", priority: UInt32 = 1
    ) -> ListedJob {
        ListedJob(
            id: id, name: name, userID: 1000, partition: partition, priority: priority, state: state, flags: flags)
    }

    /// squeue's `-t`: a base state must be the whole state, a flag must be set.
    private static let listed: [(SchedulerState.Base, ListedJob.Flags, Bool, Bool)] = [
        (.running, [], true, false), (.suspended, [], true, false),
        (.pending, [], false, true), (.running, .configuring, false, true), (.completed, .completing, true, false),
        (.pending, .requeueHold, true, false), (.pending, .other, false, false), (.running, .resizing, true, false),
        (.running, .signaling, true, false), (.running, .stopped, true, false), (.completed, .stageOut, true, false),
        (.pending, .reservationDeletedHold, false, true), (.pending, .requeueFederation, false, true),
        (.completed, [], false, false), (.failed, [], false, false), (.pending, [.requeueHold, .other], true, false),
    ]

    @Test(arguments: listed)
    func lists(state: SchedulerState.Base, flags: ListedJob.Flags, isRunning: Bool, isQueued: Bool) {
        let job = job(7, "jarvice_x", state, flags)
        #expect(job.isRunning == isRunning)
        #expect(job.isQueued == isQueued)
    }

    @Test func orderAndNames() {
        let jobs = [
            job(1, "jarvice_jarvice_a", .running, partition: "q"), job(2, "other", .running),
            job(3, "jarvice_b|\n\"c", .running, priority: 5), job(4, "jarvice_d", .running, priority: 9),
            job(5, "jarvice_e", .suspended, partition: "a"), job(6, "jarvice_f", .pending),
        ]
        #expect(
            QueueLists.running(jobs).text
                == #"[["e","5"],["d","4"],["b|\n\"c","3"],["jarvice_a","1"]]"#)
        #expect(QueueLists.queued(jobs).text == #"[["f","6"]]"#)
        #expect(QueueLists.running([]).text == "[]")
    }
}
