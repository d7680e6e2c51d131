// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import DeepSquare
@testable import JobLifecycle

@Suite("How an end is told to the chain")
struct EndingTests {
    struct Case: CustomTestStringConvertible {
        var state: SchedulerState.Base?
        var exit: UInt32? = 0
        var status: ChainJobStatus
        var words: String

        var testDescription: String { "\(state?.rawValue ?? "vanished") \(exit.map { "\($0)" } ?? "-")" }
    }

    private static let lost = "the cluster lost the job: neither Slurm nor its accounting knows it"

    static let cases: [Case] = [
        Case(state: .completed, status: .finished, words: ""),
        Case(state: .timeout, status: .outOfCredits, words: "the job reached its time limit"),
        Case(state: .cancelled, exit: 15, status: .cancelled, words: "the job was cancelled"),
        Case(state: .failed, exit: 256, status: .failed, words: "the job failed with exit code 1"),
        Case(state: .failed, exit: 255 << 8, status: .failed, words: "the job failed with exit code 255"),
        Case(state: .failed, exit: 9, status: .failed, words: "signal 9 ended the job"),
        Case(state: .failed, exit: 0x8b, status: .failed, words: "signal 11 ended the job"),
        Case(state: .failed, exit: nil, status: .failed, words: "the job failed"),
        Case(state: .nodeFail, status: .failed, words: "a node of the job failed"),
        Case(state: .outOfMemory, exit: 9, status: .failed, words: "the job ran out of memory"),
        Case(state: .preempted, status: .failed, words: "the job was preempted by the cluster"),
        Case(state: .deadline, status: .failed, words: "the job could not end before its deadline"),
        Case(state: .bootFail, status: .failed, words: "the job's nodes did not boot"),
        Case(state: .revoked, status: .failed, words: "another cluster of the federation has the job"),
        Case(state: nil, exit: nil, status: .panicked, words: lost),
        Case(state: .pending, status: .panicked, words: lost), Case(state: .running, status: .panicked, words: lost),
        Case(state: .suspended, status: .panicked, words: lost),
    ]

    @Test(
        "\"NODE_FAIL, OUT_OF_MEMORY, PREEMPTED, DEADLINE, BOOT_FAIL are skipped or reported as FINISHED\": each has its own",
        arguments: cases)
    func status(_ row: Case) {
        let ending = Ending(state: row.state, exitStatus: row.exit, knownAt: 0)
        #expect(ending.status == row.status)
        #expect(ending.words == row.words)
        #expect(ending.status.isCold)
    }

    @Test("every state of Slurm has a row")
    func complete() {
        #expect(Set(Self.cases.compactMap(\.state)) == Set(SchedulerState.Base.allCases))
    }

    @Test(
        "the exit code as today, and as shells tell it",
        arguments: [
            (nil, 0, 0), (0, 0, 0), (256, 256, 1), (512, 512, 2), (65_280, 65_280, 255), (9, 9, 137), (15, 15, 143),
            (0x8b, 0x8b, 139),
        ] as [(UInt32?, Int64, Int64)])
    func exitCode(_ status: UInt32?, _ wait: Int64, _ code: Int64) {
        let ending = Ending(state: .failed, exitStatus: status, knownAt: 0)
        #expect(ending.exitCode(.waitStatus) == wait)
        #expect(ending.exitCode(.code) == code)
    }

    @Test(
        "no more than 256 bytes, cut between characters",
        arguments: ["x", "é", "€", "😀", "👨‍👩‍👧", "e\u{301}"])
    func bounded(_ letter: String) {
        for count in [0, 1, 10, 64, 85, 127, 128, 129, 255, 256, 257, 1000] {
            let text = String(repeating: letter, count: count)
            let kept = Ending.bounded(text)
            #expect(kept.utf8.count <= 256)
            if text.utf8.count <= 256 {
                #expect(kept == text)
            } else {
                #expect(kept.hasSuffix("…") && text.hasPrefix(kept.dropLast()))
                // No more than one character less than there is room for.
                #expect(kept.utf8.count + letter.utf8.count > 256)
                #expect((kept.utf8.count - 3) % letter.utf8.count == 0)
            }
        }
        #expect(Ending.bounded(String(repeating: "a", count: 256)).count == 256)
        #expect(Ending.bounded("e" + String(repeating: "\u{301}", count: 300)) == "…")
    }
}
