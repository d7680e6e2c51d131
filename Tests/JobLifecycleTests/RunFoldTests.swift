// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import JobLifecycle

@Suite("What an observation makes of a run")
struct RunFoldTests {
    struct Case: CustomTestStringConvertible {
        var name: String
        var seen: [JobObservation]
        var transitions: [JobTransition.Kind]
        var phase: RunRecord.Phase?
        var exitCodesRequeue = false
        var needsLook = false

        var testDescription: String { name }
    }

    static let cases: [Case] = [
        Case(name: "queued", seen: [seen(.pending)], transitions: [.pending], phase: .pending),
        Case(
            name: "queued, seen twice", seen: [seen(.pending), seen(.pending, at: 2000)], transitions: [.pending],
            phase: .pending),
        Case(
            name: "runs and ends",
            seen: [
                seen(.pending), seen(.running, start: 500),
                seen(.completed, .plugin, completing: true, start: 500, end: 510),
            ],
            transitions: [.pending, .running, .ended], phase: .ended),
        Case(
            name: "first seen at its end: the start is told before it",
            seen: [seen(.completed, .plugin, start: 500, end: 510)],
            transitions: [.running, .ended], phase: .ended),
        Case(
            name: "cancelled in the queue never ran",
            seen: [seen(.pending), seen(.cancelled, .plugin, start: 505, end: 505)],
            transitions: [.pending, .ended], phase: .ended),
        Case(
            name: "ended is ended",
            seen: [
                seen(.completed, .plugin, start: 500, end: 510), seen(.completed, .accounting, start: 500, end: 511),
                seen(.running, start: 500),
            ],
            transitions: [.running, .ended], phase: .ended),
        Case(
            name: "a look from before the start comes late",
            seen: [seen(.running, start: 500, at: 3000), seen(.pending, at: 2000)],
            transitions: [.running], phase: .running),
        Case(
            name: "suspended and resumed",
            seen: [
                seen(.running, start: 500), seen(.suspended, start: 500, at: 2000),
                seen(.running, start: 500, at: 3000),
            ],
            transitions: [.running, .suspended, .resumed], phase: .running),
        Case(
            name: "the answer that was asked for earlier says nothing of a suspension",
            seen: [
                seen(.running, start: 500), seen(.suspended, start: 500, at: 3000),
                seen(.running, start: 500, at: 2000),
            ],
            transitions: [.running, .suspended], phase: .suspended),
        Case(
            name: "requeued: the plugin's record",
            seen: [seen(.running, start: 500), seen(.pending, .plugin, requeueing: true, start: 500, end: 510)],
            transitions: [.running], phase: .closing),
        Case(
            name: "requeued: the restart count moves before the submit time does",
            seen: [seen(.running, start: 500), seen(.pending, restarts: 1, completing: true)], transitions: [.running],
            phase: .closing),
        Case(
            name: "PENDING+COMPLETING after the plugin's record keeps its end",
            seen: [
                seen(.running, start: 500), seen(.pending, .plugin, requeueing: true, start: 500, end: 510),
                seen(.pending, restarts: 1, completing: true),
            ], transitions: [.running], phase: .closing),
        Case(
            name: "a node failed, says the plugin: maybe requeued",
            seen: [seen(.running, start: 500), seen(.nodeFail, .plugin, start: 500, end: 510)],
            transitions: [.running], phase: .closing, needsLook: true),
        Case(
            name: "a node failed, says slurmctld",
            seen: [seen(.running, start: 500), seen(.nodeFail, start: 500, end: 510)],
            transitions: [.running, .ended], phase: .ended),
        Case(
            name: "failed for good",
            seen: [
                seen(.running, start: 500), seen(.failed, .plugin, completing: true, start: 500, end: 510, exit: 768),
            ],
            transitions: [.running, .ended], phase: .ended),
        Case(
            name: "failed where RequeueExit is set: slurmctld has to say",
            seen: [seen(.failed, .plugin, completing: true, start: 500, end: 510, exit: 768)],
            transitions: [.running], phase: .closing, exitCodesRequeue: true, needsLook: true),
        Case(
            name: "failed where RequeueExit is set, still completing",
            seen: [
                seen(.failed, .plugin, completing: true, start: 500, end: 510, exit: 768),
                seen(.failed, completing: true, start: 500, end: 510, exit: 768),
            ], transitions: [.running], phase: .closing, exitCodesRequeue: true, needsLook: true),
        Case(
            name: "failed where RequeueExit is set, and clean",
            seen: [
                seen(.failed, .plugin, completing: true, start: 500, end: 510, exit: 768),
                seen(.failed, start: 500, end: 510, exit: 768),
            ],
            transitions: [.running, .ended], phase: .ended, exitCodesRequeue: true, needsLook: true),
        Case(
            name: "a change of size is no end", seen: [seen(.running, .plugin, resizing: true, start: 500)],
            transitions: [.running], phase: .running),
        Case(
            name: "a change of size, even with an ended base state",
            seen: [seen(.running, start: 500), seen(.completed, .plugin, resizing: true, start: 500, end: 505)],
            transitions: [.running], phase: .running),
        Case(
            name: "revoked: another cluster has it, it did not run here",
            seen: [seen(.cancelled, .plugin, revoked: true, start: 500, end: 505)], transitions: [.ended],
            phase: .ended),
        Case(
            name: "out of memory", seen: [seen(.outOfMemory, .plugin, start: 500, end: 510, exit: 125 << 8)],
            transitions: [.running, .ended], phase: .ended),
    ]

    @Test("life stories", arguments: cases)
    func stories(_ story: Case) {
        let rule = RunFold(policy: RequeuePolicy(exitCodesRequeue: story.exitCodesRequeue))
        var run: RunRecord?
        var told: [JobTransition.Kind] = []
        var asked = false
        for observation in story.seen {
            guard let outcome = rule.fold(run, observation) else { continue }
            run = outcome.run
            told += outcome.transitions
            asked = asked || outcome.needsLook
        }
        #expect(told == story.transitions)
        #expect(run?.phase == story.phase)
        #expect(asked == story.needsLook)
    }

    @Test("the end that was told first stays: exit status, times, duration without suspensions")
    func facts() throws {
        var end = seen(.failed, .plugin, start: 500, end: 520, exit: 768)
        end.elapsed = 12
        let run = try #require(RunFold(policy: RequeuePolicy()).fold(nil, end)?.run)
        #expect(run.exitStatus == 768 && run.startTime == 500 && run.endTime == 520 && run.elapsed == 12)
    }

    @Test("where it ran: of a job that ends slurmctld names only the nodes that are not clean yet")
    func nodes() throws {
        let rule = RunFold(policy: RequeuePolicy())
        func on(_ nodes: String, _ observation: JobObservation) -> JobObservation {
            var one = observation
            one.details.nodes = nodes
            return one
        }
        var run = try #require(rule.fold(nil, on("n[2-3]", seen(.running, start: 500)))?.run)
        // A job that runs may be given others.
        run = try #require(rule.fold(run, on("n[2-4]", seen(.running, start: 500, at: 2000)))?.run)
        #expect(run.details.nodes == "n[2-4]")
        let ending = on("n3", seen(.failed, completing: true, start: 500, end: 510, at: 3000))
        #expect(rule.fold(run, ending)?.run.details.nodes == "n[2-4]")
        // The plugin names all of them.
        let record = on("n[2-5]", seen(.failed, .plugin, completing: true, start: 500, end: 510, at: 3000))
        #expect(rule.fold(run, record)?.run.details.nodes == "n[2-5]")
    }

    @Test(
        "first heard of while it ends, some nodes clean: it ran, where is not told, and slurmctld's part of it is not taken"
    )
    func unnamedNodes() throws {
        let rule = RunFold(policy: RequeuePolicy())
        var ending = seen(.completed, completing: true, start: 500, end: 510)
        ending.details.nodes = nil
        ending.hasUnnamedNodes = true
        let outcome = try #require(rule.fold(nil, ending))
        #expect(outcome.transitions == [.running, .ended] && outcome.run.details.nodes == nil)
        #expect(ending.hasStarted)
        // Cancelled in the queue.
        ending.hasUnnamedNodes = false
        #expect(rule.fold(nil, ending)?.transitions == [.ended] && !ending.hasStarted)
    }

    @Test(
        "array tasks as Slurm writes them",
        arguments: [
            ("1-5,9", [1, 5, 9], [0, 6, 8, 10]), ("[0-20:4%2]", [0, 4, 20], [1, 3, 21]), ("7", [7], [6, 8]),
            ("x,3-1,4", [4], [1, 2, 3]), ("", [], [0]),
        ])
    func tasks(_ text: String, _ inside: [UInt32], _ outside: [UInt32]) {
        let tasks = ArrayTasks(text)
        #expect(inside.allSatisfy(tasks.contains))
        #expect(!outside.contains(where: tasks.contains))
    }
}
