// SPDX-License-Identifier: GPL-3.0-or-later

import Dispatch
import Glibc
import Synchronization
import Testing
import Waiting

@testable import Slurm

/// Bodies block on semaphores that the test releases; short time-outs are real, but nothing depends on how soon.
@Suite(.timeLimit(.minutes(1))) struct WorkerPoolTests {
    private static let long = Duration.seconds(50)
    private static let short = Duration.milliseconds(30)

    /// Things that happened, in order, and a way to wait for them.
    private final class Record: Sendable {
        private let events = Mutex<[String]>([])

        var all: [String] { events.withLock { $0 } }

        func add(_ event: String) {
            events.withLock { $0.append(event) }
        }

        func until(_ event: String) async throws {
            try await waitUntil { all.contains(event) }
        }
    }

    private func pool(
        threads: Int = 1, queueLimit: Int = 100, exhaustedAfter: Duration = .seconds(50), _ record: Record = Record()
    ) throws -> WorkerPool {
        try WorkerPool(
            threads: threads, queueLimit: queueLimit, exhaustedAfter: exhaustedAfter,
            onExhausted: { _ in record.add("exhausted") }, onLateResult: { record.add("late \($0)") })
    }

    private func error<Answer>(_ body: () async throws -> Answer) async -> SlurmError? {
        await #expect(throws: SlurmError.self) { _ = try await body() }
    }

    /// Occupies a thread until the gate opens. The call stands in the queue when this returns.
    private func occupy(
        _ pool: WorkerPool, _ gate: DispatchSemaphore, _ record: Record, _ name: String = "stuck",
        timeout: Duration = long
    ) -> Task<Void, any Error> {
        Task.immediate {
            try await pool.run(name, timeout: timeout, changes: true) {
                record.add("begun \(name)")
                gate.wait()
            }
        }
    }

    @Test func answersAndErrorsComeBack() async throws {
        let pool = try pool()
        defer { pool.stop() }
        #expect(try await pool.run("a", timeout: Self.long, changes: false) { 7 } == 7)
        let failure = await error {
            try await pool.run("b", timeout: Self.long, changes: true) { () throws(SlurmError) -> Int in
                throw SlurmError(.notFound, "no", number: 2017)
            }
        }
        #expect(failure?.code == .notFound && failure?.number == 2017)
    }

    /// What ``SlurmController/settled(timeout:)`` waits for: found by the soak, which made two jobs out of one when a
    /// hung submission went on after it had been given up.
    @Test func anAbandonedChangeIsUnsettledUntilItReturns() async throws {
        let record = Record()
        let pool = try pool(threads: 2, record)
        defer { pool.stop() }
        let gate = DispatchSemaphore(value: 0)
        let change = occupy(pool, gate, record, "change", timeout: Self.short)
        try await record.until("begun change")
        #expect(await error { try await change.value }?.mayHaveHappened == true)
        #expect(pool.unsettledChanges == 1)
        // A call that only reads leaves nothing unsettled.
        let reading = DispatchSemaphore(value: 0)
        let read = await error {
            try await pool.run("read", timeout: Self.short, changes: false) { reading.wait() }
        }
        #expect(read?.code == .timedOut && read?.mayHaveHappened == false)
        #expect(pool.unsettledChanges == 1)
        gate.signal()
        reading.signal()
        try await record.until("late change")
        try await waitUntil { pool.unsettledChanges <= 0 }
    }

    /// TasksMax= of the unit, or RLIMIT_NPROC, in the middle of it.
    @Test(arguments: 0...3) func threadsThatCannotBeStartedAreAnErrorAndLeaveNoOthers(_ room: Int) async throws {
        let record = Record()
        let failure = await error {
            var begun = 0
            _ = try WorkerPool(
                threads: 3, exhaustedAfter: .seconds(50), onExhausted: { _ in }, onLateResult: { _ in }
            ) { name, body throws(SlurmError) in
                guard begun < room else { throw WorkerThread.refusal(EAGAIN) }
                begun += 1
                try WorkerThread.start(name: name) {
                    body()
                    record.add("ended \(name)")
                }
            }
        }
        #expect(failure?.code == .unavailable)
        #expect(failure?.message.contains("TasksMax=") == true)
        for index in 0..<room { try await record.until("ended slurm-\(index)") }
    }

    @Test func runsOffTheCooperativeThreads() async throws {
        let pool = try pool(threads: 2)
        defer { pool.stop() }
        // Two bodies that wait for each other need two threads at once.
        let (one, two) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        async let first: Void = pool.run("1", timeout: Self.long, changes: false) {
            one.signal()
            two.wait()
        }
        async let second: Void = pool.run("2", timeout: Self.long, changes: false) {
            two.signal()
            one.wait()
        }
        _ = try await (first, second)
    }

    @Test func aStuckCallIsGivenUpAndItsThreadComesBack() async throws {
        let record = Record()
        let pool = try pool(record)
        defer { pool.stop() }
        let gate = DispatchSemaphore(value: 0)
        let stuck = occupy(pool, gate, record, timeout: Self.short)
        let failure = await error { try await stuck.value }
        #expect(failure?.code == .timedOut)
        #expect(failure?.call == "stuck")
        #expect(failure?.mayHaveHappened == true, "it had begun and changes something")
        #expect(pool.stuckThreads == 1)
        #expect(record.all == ["begun stuck"])
        gate.signal()
        try await record.until("late stuck")
        #expect(try await pool.run("next", timeout: Self.long, changes: false) { 1 } == 1)
        #expect(pool.stuckThreads == 0)
    }

    @Test func aLateCallThatOnlyAsksCannotHaveHappened() async throws {
        let pool = try pool()
        defer { pool.stop() }
        let gate = DispatchSemaphore(value: 0)
        let failure = await error {
            try await pool.run("ask", timeout: Self.short, changes: false) { gate.wait() }
        }
        #expect(failure?.code == .timedOut && failure?.mayHaveHappened == false)
        gate.signal()
    }

    @Test func aCallGivenUpInTheQueueNeverRuns() async throws {
        let record = Record()
        let pool = try pool(record)
        defer { pool.stop() }
        let gate = DispatchSemaphore(value: 0)
        let stuck = occupy(pool, gate, record)
        try await record.until("begun stuck")
        let failure = await error {
            try await pool.run("queued", timeout: Self.short, changes: true) { record.add("ran queued") }
        }
        #expect(failure?.code == .timedOut)
        #expect(failure?.mayHaveHappened == false, "it never began")
        gate.signal()
        try await stuck.value
        try await pool.run("after", timeout: Self.long, changes: false) { record.add("ran after") }
        #expect(record.all == ["begun stuck", "ran after"])
    }

    @Test func servesInTheOrderOfArrival() async throws {
        let record = Record()
        let pool = try pool(record)
        defer { pool.stop() }
        let gate = DispatchSemaphore(value: 0)
        let stuck = occupy(pool, gate, record)
        try await record.until("begun stuck")
        var tasks: [Task<Void, any Error>] = []
        for index in 0..<20 {
            tasks.append(
                Task.immediate {
                    try await pool.run("q", timeout: Self.long, changes: false) { record.add("ran \(index)") }
                })
        }
        gate.signal()
        try await stuck.value
        for task in tasks { try await task.value }
        #expect(record.all == ["begun stuck"] + (0..<20).map { "ran \($0)" })
    }

    @Test func aFullQueueRefuses() async throws {
        let record = Record()
        let pool = try pool(queueLimit: 2, record)
        defer { pool.stop() }
        let gate = DispatchSemaphore(value: 0)
        let stuck = occupy(pool, gate, record)
        try await record.until("begun stuck")
        let waiting = (0..<2).map { _ in occupy(pool, gate, record, "waiting") }
        let failure = await error {
            try await pool.run("third", timeout: Self.long, changes: true) { record.add("ran third") }
        }
        #expect(failure?.code == .unavailable)
        #expect(failure?.mayHaveHappened == false)
        for _ in 0..<3 { gate.signal() }
        try await stuck.value
        for task in waiting { try await task.value }
        #expect(!record.all.contains("ran third"))
    }

    @Test func cancellingTheCallerInTheQueue() async throws {
        let record = Record()
        let pool = try pool(record)
        defer { pool.stop() }
        let gate = DispatchSemaphore(value: 0)
        let stuck = occupy(pool, gate, record)
        try await record.until("begun stuck")
        let queued = Task.immediate {
            try await pool.run("queued", timeout: Self.long, changes: true) { record.add("ran queued") }
        }
        queued.cancel()
        let failure = await error { try await queued.value }
        #expect(failure?.code == .cancelled && failure?.mayHaveHappened == false)
        gate.signal()
        try await stuck.value
        try await pool.run("after", timeout: Self.long, changes: false) {}
        #expect(!record.all.contains("ran queued"))
    }

    @Test func cancellingTheCallerOfABegunCall() async throws {
        let record = Record()
        let pool = try pool(record)
        defer { pool.stop() }
        let gate = DispatchSemaphore(value: 0)
        let stuck = occupy(pool, gate, record)
        try await record.until("begun stuck")
        stuck.cancel()
        let failure = await error { try await stuck.value }
        #expect(failure?.code == .cancelled && failure?.mayHaveHappened == true)
        gate.signal()
        try await record.until("late stuck")
    }

    @Test func aCancelledTaskDoesNotCall() async throws {
        let pool = try pool()
        defer { pool.stop() }
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            return try await pool.run("x", timeout: Self.long, changes: false) { 1 }
        }
        task.cancel()
        // The thread may have been quicker than the look at the cancellation; then the answer counts.
        do {
            #expect(try await task.value == 1)
        } catch {
            #expect((error as? SlurmError)?.code == .cancelled)
        }
    }

    @Test func tellsOnceThatAllThreadsAreStuck() async throws {
        let record = Record()
        let pool = try pool(threads: 2, exhaustedAfter: .milliseconds(20), record)
        defer { pool.stop() }
        let gate = DispatchSemaphore(value: 0)
        let stuck = (0..<2).map { occupy(pool, gate, record, "\($0)", timeout: Self.short) }
        for task in stuck { _ = await error { try await task.value } }
        try await record.until("exhausted")
        // A caller that comes now waits for its own deadline and learns why.
        let failure = await error { try await pool.run("x", timeout: Self.short, changes: false) {} }
        #expect(failure?.code == .timedOut && failure?.message.contains("stuck") == true)
        #expect(record.all.count { $0 == "exhausted" } == 1)
        gate.signal()
        gate.signal()
        try await record.until("late 0")
        try await record.until("late 1")
        try await pool.run("again", timeout: Self.long, changes: false) {}
    }

    @Test func oneFreeThreadIsNoExhaustion() async throws {
        let record = Record()
        let pool = try pool(threads: 2, exhaustedAfter: .zero, record)
        defer { pool.stop() }
        let gate = DispatchSemaphore(value: 0)
        let stuck = occupy(pool, gate, record, timeout: Self.short)
        _ = await error { try await stuck.value }
        try await pool.run("x", timeout: Self.long, changes: false) {}
        #expect(!record.all.contains("exhausted"))
        gate.signal()
    }

    @Test func stoppingAnswersThoseThatWaitAndThoseThatCome() async throws {
        let record = Record()
        let pool = try pool(record)
        let gate = DispatchSemaphore(value: 0)
        let stuck = occupy(pool, gate, record)
        try await record.until("begun stuck")
        let queued = occupy(pool, gate, record, "queued")
        pool.stop()
        #expect(await error { try await queued.value }?.code == .cancelled)
        #expect(await error { try await pool.run("x", timeout: Self.long, changes: false) {} }?.code == .cancelled)
        gate.signal()
        try await stuck.value
        #expect(record.all == ["begun stuck"])
    }

    @Test("Every deadline is kept, also of a call that comes while others are told theirs")
    func deadlinesUnderLoad() async throws {
        let record = Record()
        let pool = try pool(record)
        defer { pool.stop() }
        let gate = DispatchSemaphore(value: 0)
        let stuck = occupy(pool, gate, record)
        try await record.until("begun stuck")
        await withTaskGroup(of: Int.self) { group in
            for worker in 0..<8 {
                group.addTask {
                    var timedOut = 0
                    for round in 0..<200 {
                        do {
                            try await pool.run("x", timeout: .microseconds(50 * (worker + round % 5)), changes: false) {
                            }
                        } catch {
                            if (error as? SlurmError)?.code == .timedOut { timedOut += 1 }
                        }
                    }
                    return timedOut
                }
            }
            for await count in group { #expect(count == 200) }
        }
        gate.signal()
        try await stuck.value
    }

    @Test(
        arguments: [
            (.seconds(1), 1_000_000_000), (.milliseconds(1), 1_000_000), (.zero, 0), (.seconds(1 << 40), .max),
        ] as [(Duration, Int64)])
    func nanoseconds(_ duration: Duration, _ expected: Int64) {
        #expect(duration.nanoseconds == expected)
    }
}
