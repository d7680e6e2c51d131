// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Slurm

@Suite("Job numbers as scancel and squeue take them")
struct JobIDListTests {
    @Test(
        arguments: [
            ("12", ["12"]), ("12_3", ["12_3"]), ("12+1", ["12+1"]), ("12_*", ["12"]),
            ("12_[1-3]", ["12_1", "12_2", "12_3"]),
            ("12_[1,5-6]", ["12_1", "12_5", "12_6"]), ("12_[7]", ["12_7"]), ("12,13", ["12", "13"]),
            ("12_[1-2],13,14+0", ["12_1", "12_2", "13", "14+0"]), ("12,12,12_3,12_[3-3]", ["12", "12_3"]),
            ("0165", ["165"]),
        ] as [(String, [String])])
    func reads(_ text: String, _ ids: [String]) throws {
        #expect(try JobIDList(text).ids.map(\.description) == ids)
    }

    @Test(arguments: [
        "", ",", ",12", "12,", "12,,13", "foo", "0", "12_", "12_[]", "12_[1-9:2]", "12_1-3", "12_[1-3]%2", "12_[3-1]",
        "12_[1-",
        "12_1]", "12+[0-1]", "12_[a]", "12_[-1]", "12_[1,]", "-1", "4294967294", "12_[4294967294]", "12_[1-4294967295]",
        "12 13", "12_[1-3]_4", "[12-14]", "12_**",
    ])
    func refuses(_ text: String) {
        let error = #expect(throws: SlurmError.self) { try JobIDList(text) }
        #expect(error?.code == .invalidRequest && error?.message.contains("12_[1,4-6]") == true)
    }

    @Test("a step is refused with what to do", arguments: ["12.0", "12.batch", "12_3.0", "13,12.extern"])
    func steps(_ text: String) {
        let error = #expect(throws: SlurmError.self) { try JobIDList(text) }
        #expect(error?.message.contains("scancel takes steps") == true)
    }

    @Test("tasks without end are refused, whatever way they are written")
    func bounded() throws {
        #expect(try JobIDList("1_[1-10000]").ids.count == JobIDList.limit)
        #expect(throws: SlurmError.self) { try JobIDList("1_[1-10001]") }
        let error = #expect(throws: SlurmError.self) { try JobIDList("1_[1-9000],2_[1-9000]") }
        #expect(error?.message.contains("means all of its tasks") == true)
    }

    @Test(
        "the record of an array's pending tasks is each one's",
        arguments: [
            ("1-9", 3, true), ("1-9%2", 9, true), ("1-9", 10, false), ("1,3-5", 2, false), ("1,3-5", 4, true),
            ("0", 0, true),
            ("1-9:2", 3, true), ("1-9:2", 4, false), ("1-3,7,...", 8, true), ("1-3,7,...", 5, false), ("x", 1, false),
            ("", 0, false), ("1-9:0", 3, true),
        ] as [(String, UInt32, Bool)])
    func pending(_ tasks: String, _ task: UInt32, _ stands: Bool) {
        #expect(
            Job.ArrayTask(jobID: 1, taskID: nil, pendingTasks: tasks, maximumRunning: nil).stands(for: task) == stands)
        #expect(!Job.ArrayTask(jobID: 1, taskID: 1, pendingTasks: tasks, maximumRunning: nil).stands(for: task))
    }
}
