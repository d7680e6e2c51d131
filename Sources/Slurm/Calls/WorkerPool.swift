// SPDX-License-Identifier: GPL-3.0-or-later

internal import DequeModule
internal import Dispatch
internal import Glibc
internal import NIOConcurrencyHelpers

/// A few threads that may block, for calls into libslurm.
///
/// libslurm blocks for seconds when slurmctld is down and for ever when munged hangs. So its calls never run on
/// Swift's cooperative threads; each has a deadline after which its caller is told `timedOut` although the thread may
/// still be stuck in the call. A stuck thread comes back when the call returns; nothing is ever killed. When all are
/// stuck the queue waits (each caller until its own deadline) and `onExhausted` is told once the state has lasted.
final class WorkerPool: Sendable {
    typealias Clock = ContinuousClock

    /// What a caller waits for. Resumed exactly once: by the thread, the deadline or the caller's cancellation.
    private final class Call: Sendable {
        let name: String
        let deadline: Clock.Instant
        let changes: Bool
        private let body: NIOLockedValueBox<(@Sendable () -> Void)?>
        private let giveUp: NIOLockedValueBox<(@Sendable (SlurmError) -> Void)?>

        init(
            name: String, deadline: Clock.Instant, changes: Bool, body: @escaping @Sendable () -> Void,
            giveUp: @escaping @Sendable (SlurmError) -> Void
        ) {
            self.name = name
            self.deadline = deadline
            self.changes = changes
            self.body = NIOLockedValueBox(body)
            self.giveUp = NIOLockedValueBox(giveUp)
        }

        /// Runs the call unless it was given up while it waited in the queue.
        func run() {
            let work = body.withLockedValue { body in
                defer { body = nil }
                return body
            }
            work?()
            giveUp.withLockedValue { $0 = nil }
        }

        /// The caller has left.
        var isAbandoned: Bool { giveUp.withLockedValue { $0 == nil } }

        /// Tells the caller that no answer will come in time. A call that has not begun never runs.
        func abandon(_ error: (_ begun: Bool) -> SlurmError) {
            let begun = body.withLockedValue { body in
                defer { body = nil }
                return body == nil
            }
            let tell = giveUp.withLockedValue { tell in
                defer { tell = nil }
                return tell
            }
            tell?(error(begun))
        }
    }

    private struct State {
        var queue: Deque<Call> = []
        /// The call each thread is in.
        var running: [Call?]
        /// Threads that wait to be woken. The last to come is the first to go: its stack and its part of the heap are
        /// still warm, and calls that follow each other stay on one thread.
        var idle: [Int] = []
        /// When the watching thread looks next. Changes with what it was computed from, under one lock: else a call
        /// that comes while the others are looked through would never be given up.
        var nearestDeadline: Clock.Instant?
        var stuckSince: Clock.Instant?
        var exhaustionReported = false
        var stopping = false
    }

    private let state: NIOLockedValueBox<State>
    /// One a thread.
    private let wake: [DispatchSemaphore]
    private let deadlineChanged = DispatchSemaphore(value: 0)
    private let queueLimit: Int
    private let exhaustedAfter: Duration
    private let onExhausted: @Sendable (Duration) -> Void
    private let onLateResult: @Sendable (String) -> Void

    /// - Parameters:
    ///   - threads: how many calls may be under way at once.
    ///   - queueLimit: calls that may wait; one more is refused as `unavailable`.
    ///   - exhaustedAfter: how long all threads must be past their deadlines before `onExhausted` is called, once.
    ///   - onLateResult: told, on a worker thread, the name of a call that came back after its caller had left.
    ///   - start: makes a thread of a name.
    /// - Throws: `unavailable`: not all threads can be started now; none is left.
    init(
        threads: Int, queueLimit: Int = 10_000, exhaustedAfter: Duration,
        onExhausted: @escaping @Sendable (Duration) -> Void, onLateResult: @escaping @Sendable (String) -> Void,
        start: (String, @escaping @Sendable () -> Void) throws(SlurmError) -> Void = WorkerThread.start
    ) throws(SlurmError) {
        state = NIOLockedValueBox(State(running: Array(repeating: nil, count: threads)))
        wake = (0..<threads).map { _ in DispatchSemaphore(value: 0) }
        self.queueLimit = queueLimit
        self.exhaustedAfter = exhaustedAfter
        self.onExhausted = onExhausted
        self.onLateResult = onLateResult
        do throws(SlurmError) {
            for index in 0..<threads {
                try start("slurm-\(index)") { [self] in serve(index) }
            }
            try start("slurm-watch") { [self] in watch() }
        } catch {
            stop()
            throw error
        }
    }

    /// Ends the threads once they are idle; calls still queued are answered `cancelled`.
    func stop() {
        let waiting = state.withLockedValue { state in
            state.stopping = true
            state.idle.removeAll()
            defer { state.queue.removeAll() }
            return state.queue
        }
        for call in waiting {
            call.abandon { _ in SlurmError(.cancelled, "the connection to Slurm was closed") }
        }
        wake.forEach { $0.signal() }
        deadlineChanged.signal()
    }

    /// How many threads are in a call whose caller has given up.
    var stuckThreads: Int {
        let now = Clock.now
        return state.withLockedValue { state in state.running.count { ($0?.deadline ?? .distantFuture) <= now } }
    }

    /// How many calls that change something are still under way although their callers have given up.
    var unsettledChanges: Int {
        state.withLockedValue { state in state.running.count { $0.map { $0.changes && $0.isAbandoned } ?? false } }
    }

    /// Runs `body` on one of the threads and returns its answer, or `timedOut` after `timeout`.
    ///
    /// - Parameter changes: says that a call which has begun may still take effect after its deadline.
    func run<Answer: Sendable>(
        _ name: String, timeout: Duration, changes: Bool,
        _ body: @escaping @Sendable () throws(SlurmError) -> Answer
    ) async throws(SlurmError) -> Answer {
        let handle = NIOLockedValueBox<Call?>(nil)
        let result: Result<Answer, SlurmError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let once = Once(continuation)
                let call = Call(
                    name: name, deadline: Clock.now + timeout, changes: changes,
                    body: { [onLateResult] in
                        let answer: Result<Answer, SlurmError>
                        do throws(SlurmError) {
                            answer = .success(try body())
                        } catch {
                            answer = .failure(error)
                        }
                        if !once.resume(answer) { onLateResult(name) }
                    },
                    giveUp: { error in _ = once.resume(.failure(error)) }
                )
                handle.withLockedValue { $0 = call }
                enqueue(call)
                if Task.isCancelled { Self.cancel(call) }
            }
        } onCancel: {
            if let call = handle.withLockedValue({ $0 }) { Self.cancel(call) }
        }
        return try result.get()
    }

    private static func cancel(_ call: Call) {
        call.abandon { begun in
            SlurmError(.cancelled, "cancelled by the caller", call: call.name, mayHaveHappened: begun && call.changes)
        }
    }

    private func enqueue(_ call: Call) {
        let (refusal, sooner, thread) = state.withLockedValue { state -> (SlurmError?, Bool, Int?) in
            if state.stopping {
                return (SlurmError(.cancelled, "the connection to Slurm was closed", call: call.name), false, nil)
            }
            if state.queue.count >= queueLimit {
                let refusal = SlurmError(
                    .unavailable, "\(queueLimit) calls to Slurm are waiting already; slurmctld does not keep up",
                    call: call.name)
                return (refusal, false, nil)
            }
            state.queue.append(call)
            let thread = state.idle.popLast()
            guard state.nearestDeadline.map({ call.deadline < $0 }) ?? true else { return (nil, false, thread) }
            state.nearestDeadline = call.deadline
            return (nil, true, thread)
        }
        if let refusal {
            call.abandon { _ in refusal }
            return
        }
        // With none idle, the first thread that ends its call takes this one from the queue.
        if let thread { wake[thread].signal() }
        if sooner { deadlineChanged.signal() }
    }

    // MARK: threads

    private func serve(_ index: Int) {
        while true {
            switch next(index) {
            case .call(let call): call.run()
            case .sleep: wake[index].wait()
            case .end: return
            }
        }
    }

    private enum Next {
        case call(Call)
        case sleep
        case end
    }

    private func next(_ index: Int) -> Next {
        state.withLockedValue { state in
            state.running[index] = nil
            guard let call = state.queue.popFirst() else {
                if state.stopping { return .end }
                state.idle.append(index)
                return .sleep
            }
            state.running[index] = call
            return .call(call)
        }
    }

    /// Tells the callers whose deadline has passed, and looks whether every thread is stuck.
    private func watch() {
        while true {
            let nearest = state.withLockedValue { $0.nearestDeadline }
            if let nearest {
                let wait = max(.zero, Clock.now.duration(to: nearest))
                _ = deadlineChanged.wait(timeout: .now() + .nanoseconds(Int(clamping: wait.nanoseconds)))
            } else {
                deadlineChanged.wait()
            }
            if state.withLockedValue({ $0.stopping && $0.queue.isEmpty && $0.running.allSatisfy { $0 == nil } }) {
                return
            }
            sweep(now: Clock.now)
        }
    }

    private func sweep(now: Clock.Instant) {
        let (late, report) = state.withLockedValue { state -> ([Call], Duration?) in
            var late = Array(state.queue.filter { $0.deadline <= now })
            if !late.isEmpty { state.queue.removeAll { $0.deadline <= now } }
            late += state.running.compactMap { $0 }.filter { $0.deadline <= now }
            let report = exhaustion(&state, now: now)
            var next = (state.queue.map(\.deadline) + state.running.compactMap { $0?.deadline })
                .filter { $0 > now }.min()
            if let since = state.stuckSince, !state.exhaustionReported {
                next = min(next ?? .distantFuture, since + exhaustedAfter)
            } else if state.stuckSince != nil || state.running.contains(where: { $0 != nil }) {
                next = min(next ?? .distantFuture, now + .seconds(1))
            }
            state.nearestDeadline = next
            return (late, report)
        }
        for call in late {
            call.abandon { begun in
                SlurmError(
                    .timedOut,
                    begun
                        ? "no answer from Slurm in time: slurmctld or the authentication service hangs: `scontrol ping` and `munge -n` say which"
                        : "all threads that talk to Slurm are busy or stuck",
                    call: call.name, mayHaveHappened: begun && call.changes)
            }
        }
        if let report { onExhausted(report) }
    }

    private func exhaustion(_ state: inout State, now: Clock.Instant) -> Duration? {
        guard state.running.allSatisfy({ ($0?.deadline ?? .distantFuture) <= now }) else {
            state.stuckSince = nil
            state.exhaustionReported = false
            return nil
        }
        let since = state.stuckSince ?? now
        state.stuckSince = since
        let lasted = since.duration(to: now)
        guard lasted >= exhaustedAfter, !state.exhaustionReported else { return nil }
        state.exhaustionReported = true
        return lasted
    }
}

/// A continuation that is resumed at most once; tells whether this resume was the one.
private final class Once<Answer: Sendable>: Sendable {
    private let continuation: NIOLockedValueBox<CheckedContinuation<Result<Answer, SlurmError>, Never>?>

    init(_ continuation: CheckedContinuation<Result<Answer, SlurmError>, Never>) {
        self.continuation = NIOLockedValueBox(continuation)
    }

    func resume(_ result: Result<Answer, SlurmError>) -> Bool {
        let taken = continuation.withLockedValue { continuation in
            defer { continuation = nil }
            return continuation
        }
        taken?.resume(returning: result)
        return taken != nil
    }
}

extension ContinuousClock.Instant {
    fileprivate static var distantFuture: Self { .now + .seconds(1 << 40) }
}

extension Duration {
    /// Whole nanoseconds; what does not fit is the largest.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? .max : product.addingReportingOverflow(attoseconds / 1_000_000_000).partialValue
    }
}
