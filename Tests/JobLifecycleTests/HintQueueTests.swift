// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import JobLifecycle

@Suite("Lanes of hints")
struct HintQueueTests {
    private func hint(_ jobID: UInt32, _ reason: JobHint.Reason = .record, time: Int64 = 1) -> Ledger.PendingHint {
        Ledger.PendingHint(jobID: jobID, reason: reason, time: time, tries: 0)
    }

    private func unclear(_ jobID: UInt32, isStart: Bool = false) -> UnclearJob {
        UnclearJob(job: HintedJob(jobID: jobID, hints: [hint(jobID)]), records: [], isStart: isStart)
    }

    /// As words: `look 7`, `list 1-300`, `accounting 8 9`, `report 8`.
    private func words(_ questions: [HintQueue.Question]) -> [String] {
        questions.map { question in
            switch question {
            case .look(let job): "look \(job.jobID)"
            case .list(let jobs): "list of \(jobs.count)"
            case .accounting(_, let jobs): "accounting " + jobs.map { "\($0.job.jobID)" }.joined(separator: " ")
            case .report(let job): "report \(job.job.jobID)"
            }
        }
    }

    private func job(_ question: HintQueue.Question?) throws -> HintedJob {
        guard case .look(let job) = try #require(question) else { throw LedgerError(.notFound, "not a look") }
        return job
    }

    private func accountingNumber(_ question: HintQueue.Question?) throws -> Int {
        guard case .accounting(let number, _) = try #require(question) else {
            throw LedgerError(.notFound, "not a question to slurmdbd")
        }
        return number
    }

    @Test("starts come first, whatever came before them, and have a place of their own")
    func startsFirst() {
        var queue = HintQueue(limits: .init(looks: 2, startLooks: 1))
        queue.add((1...9).map { hint($0, .epilog) } + [hint(10, .start)], isComplete: true)
        #expect(words(queue.next(now: .zero)) == ["look 10", "look 1"])
        queue.add([hint(11, .superseded), hint(12, .start)], isComplete: true)
        #expect(words(queue.next(now: .zero)) == ["look 11"], "the place that ends never take")
    }

    @Test("what the ledger said before it took an answer in brings no second question")
    func outdatedFetch() throws {
        var queue = HintQueue(limits: .init(looks: 2, startLooks: 0))
        queue.add([hint(7), hint(8)], isComplete: true)
        let asked = try queue.next(now: .zero).map(job)
        queue.beginFetch()
        _ = queue.returned(asked[0], succeeded: true, took: .zero, now: .zero)
        queue.applied([7])
        queue.add([hint(7), hint(8)], isComplete: true)
        #expect(words(queue.next(now: .zero)) == [])
        #expect(queue.needsFetch, "it may be there all the same")
        queue.beginFetch()
        queue.add([hint(7, time: 2)], isComplete: true)
        #expect(words(queue.next(now: .zero)) == ["look 7"])
    }

    @Test("however many start, the others go on")
    func othersGoOn() {
        var queue = HintQueue(limits: .init(looks: 2, startLooks: 1, listFrom: 1000))
        queue.add((1...99).map { hint($0, .start) } + [hint(100)], isComplete: true)
        #expect(words(queue.next(now: .zero)) == ["look 1", "look 2", "look 3", "look 100"])
    }

    @Test("one question for all hints about a job; the next as soon as one has come back")
    func continuousWidth() throws {
        var queue = HintQueue(limits: .init(looks: 2, startLooks: 0))
        queue.add([hint(1), hint(1, .epilog), hint(1, .settle), hint(2), hint(3), hint(4)], isComplete: true)
        let first = queue.next(now: .zero)
        #expect(words(first) == ["look 1", "look 2"])
        #expect(try job(first.first).hints.count == 3)
        // The second takes its time; the first makes room.
        _ = queue.returned(try job(first.first), succeeded: true, took: .milliseconds(1), now: .zero)
        #expect(words(queue.next(now: .zero)) == ["look 3"])
        queue.add([hint(1)], isComplete: true)
        #expect(words(queue.next(now: .zero)) == [], "its answer is not in the ledger yet")
        queue.applied([1])
        #expect(!queue.needsFetch)
    }

    @Test("a hint that comes while the job is being asked about is fetched once more")
    func outdated() throws {
        var queue = HintQueue()
        queue.add([hint(1, time: 5)], isComplete: true)
        let question = try job(queue.next(now: .zero).first)
        queue.add([hint(1, time: 6)], isComplete: true)
        _ = queue.returned(question, succeeded: true, took: .zero, now: .zero)
        queue.applied([1])
        #expect(queue.needsFetch)
    }

    @Test("another job that turns out to have started moves to the front")
    func upgraded() {
        var queue = HintQueue(limits: .init(looks: 1, startLooks: 0))
        queue.add([hint(1), hint(2), hint(3)], isComplete: true)
        #expect(words(queue.next(now: .zero)) == ["look 1"])
        queue.add([hint(3, .start)], isComplete: true)
        _ = queue.returned(HintedJob(jobID: 1, hints: [hint(1)]), succeeded: true, took: .zero, now: .zero)
        queue.applied([1])
        let next = queue.next(now: .zero)
        #expect(words(next).first == "look 3")
    }

    @Test(
        "a burst costs one list if that is cheaper than a look at each",
        arguments: [
            (200, 0, "look 1"), (201, 0, "list of 201"), (201, 5, "list of 201"), (150, 100, "look 1"),
            (0, 201, "list of 201"), (201, 201, "list of 402"),
        ])
    func bursts(_ others: Int, _ starts: Int, _ expected: String) {
        var queue = HintQueue()
        queue.add(
            (0..<others).map { hint(UInt32($0 + 1)) } + (0..<starts).map { hint(UInt32($0 + 1001), .start) },
            isComplete: true)
        #expect(words(queue.next(now: .zero)).contains(expected))
    }

    @Test(
        "a list that takes longer than the looks is asked for no more; one list at a time; a failed one leaves all to be asked"
    )
    func listCost() throws {
        var queue = HintQueue(limits: .init(looks: 2, startLooks: 0))
        queue.add((1...300).map { hint($0) }, isComplete: true)
        guard case .list(let jobs) = try #require(queue.next(now: .zero).first) else { return #expect(Bool(false)) }
        queue.add((301...600).map { hint($0) }, isComplete: true)
        #expect(words(queue.next(now: .zero)) == ["look 301", "look 302"], "one is under way")
        queue.returnedList(jobs, succeeded: false, took: .seconds(1), now: .zero)
        #expect(words(queue.next(now: .seconds(1))) == [], "slurmctld is asked one thing at a time now")
        for id in [UInt32(301), 302] {
            _ = queue.returned(
                HintedJob(jobID: id, hints: [hint(id)]), succeeded: true, took: .milliseconds(1), now: .seconds(1))
        }
        guard case .list(let all) = try #require(queue.next(now: .seconds(1)).first) else {
            return #expect(Bool(false))
        }
        #expect(all.count == 598)
        queue.returnedList(all, succeeded: true, took: .seconds(2), now: .seconds(3))
        queue.applied(all.map(\.jobID))
        queue.add((2001...2300).map { hint($0) }, isComplete: true)
        #expect(
            words(queue.next(now: .seconds(3))) == ["look 2001", "look 2002"], "2 s are more than 300 looks of 1 ms")
    }

    @Test("a slurmctld that fails is asked one question, later each time; the first answer opens all places")
    func probes() throws {
        var queue = HintQueue(limits: .init(looks: 2, startLooks: 1))
        queue.add((1...20).map { hint($0) } + [hint(50, .start)], isComplete: true)
        let first = queue.next(now: .zero)
        #expect(first.count == 2)
        let delays = try first.map { question in
            queue.returned(try job(question), succeeded: false, took: .zero, now: .zero)
        }
        #expect(delays == [.milliseconds(250), .milliseconds(500)])
        #expect(queue.next(now: .milliseconds(99)).isEmpty)
        #expect(queue.nextTime(now: .zero) == .milliseconds(100))
        let probe = queue.next(now: .milliseconds(100))
        #expect(words(probe) == ["look 2"])
        _ = queue.returned(try job(probe.first), succeeded: true, took: .zero, now: .seconds(1))
        #expect(queue.next(now: .seconds(1)).count == 2)
    }

    @Test("a hung slurmdbd has its own places: whatever waits for it, slurmctld is asked")
    func accountingLane() throws {
        var queue = HintQueue(limits: .init(looks: 2, startLooks: 1, accountingQuestions: 2, accountingJobs: 3))
        queue.addUnclear((1...8).map { unclear($0) }, now: .zero)
        let questions = queue.next(now: .zero)
        #expect(words(questions) == ["accounting 1 2 3", "accounting 4 5 6"])
        queue.add([hint(50, .start), hint(51)], isComplete: true)
        #expect(words(queue.next(now: .seconds(30))) == ["look 50", "look 51"])
        // It gives up: asked later, then with one question.
        #expect(
            queue.returnedAccounting(try accountingNumber(questions.first), succeeded: false, now: .seconds(30)).isEmpty
        )
        #expect(queue.accountingFails)
        #expect(queue.next(now: .seconds(30)).isEmpty)
        #expect(queue.nextTime(now: .seconds(30)) == .seconds(31))
        #expect(queue.next(now: .seconds(31)).isEmpty, "the other question is still open")
        let answered = queue.returnedAccounting(
            try accountingNumber(questions.last), succeeded: true, now: .seconds(40))
        #expect(answered.map(\.job.jobID) == [4, 5, 6])
        #expect(words(queue.next(now: .seconds(40))) == ["accounting 7 8 1", "accounting 2 3"])
    }

    @Test("a start waits for what slurmdbd knows of the runs before, but not for long, and not at all while it fails")
    func startsGoAhead() throws {
        var queue = HintQueue()
        queue.addUnclear([unclear(1, isStart: true), unclear(2)], now: .zero)
        let question = queue.next(now: .zero)
        #expect(words(question) == ["accounting 1 2"])
        #expect(queue.nextTime(now: .zero) == .seconds(2))
        #expect(words(queue.next(now: .seconds(1))) == [])
        #expect(words(queue.next(now: .seconds(2))) == ["report 1"])
        #expect(words(queue.next(now: .seconds(3))) == [], "once")
        #expect(
            queue.returnedAccounting(try accountingNumber(question.first), succeeded: false, now: .seconds(20)).isEmpty)
        queue.addUnclear([unclear(3, isStart: true)], now: .seconds(20))
        #expect(words(queue.next(now: .seconds(20))) == ["report 3"])
    }

    @Test("more is fetched while little is here; starts always")
    func fetching() {
        var queue = HintQueue(limits: .init(lowWater: 10))
        #expect(queue.fetchLimits == (10, 20))
        queue.add((1...9).map { hint($0) }, isComplete: false)
        #expect(queue.needsFetch)
        #expect(queue.fetchLimits == (10, 29))
        queue.add((1...10).map { hint($0) } + [hint(99, .start)], isComplete: true)
        #expect(queue.fetchLimits == (11, 0))
    }
}
