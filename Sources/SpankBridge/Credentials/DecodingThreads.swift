// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import NIOPosix

/// A few threads for calls that may never return, as libmunge's when munged hangs. They begin with the first call and end
/// when none waits, so that whole clusters of nodes can report at once and nothing is left behind.
///
/// A call that is not answered by its deadline is `unavailable` for its caller, whether it has begun or not; one that has
/// not begun never runs. While all threads are in calls that nobody waits for any more, new calls are refused at once.
final class DecodingThreads: Sendable {
    typealias Outcome = Result<OpenedCredential, CredentialError>

    private final class Call: Sendable {
        let body: @Sendable () -> Outcome
        private let waiting: NIOLockedValueBox<CheckedContinuation<Outcome, Never>?>
        let deadline = NIOLockedValueBox<Scheduled<Void>?>(nil)

        init(_ continuation: CheckedContinuation<Outcome, Never>, _ body: @escaping @Sendable () -> Outcome) {
            waiting = NIOLockedValueBox(continuation)
            self.body = body
        }

        var isAnswered: Bool { waiting.withLockedValue { $0 == nil } }

        /// False: it had been answered.
        @discardableResult
        func answer(_ outcome: Outcome) -> Bool {
            let continuation = waiting.withLockedValue { waiting in
                defer { waiting = nil }
                return waiting
            }
            continuation?.resume(returning: outcome)
            deadline.withLockedValue { $0 }?.cancel()
            return continuation != nil
        }
    }

    private struct State {
        var queue = CircularBuffer<Call>()
        /// By thread number, the call it is in.
        var running: [Int: Call] = [:]
    }

    private let limit: Int
    private let queueLimit: Int
    private let state = NIOLockedValueBox(State())

    /// - Parameters:
    ///   - limit: threads, and so calls that may hang.
    ///   - queueLimit: calls that may wait for a thread.
    init(limit: Int = 4, queueLimit: Int = 1024) {
        self.limit = limit
        self.queueLimit = queueLimit
    }

    func run(timeout: Duration, _ body: @escaping @Sendable () -> Outcome) async throws(CredentialError)
        -> OpenedCredential
    {
        let outcome: Outcome = await withCheckedContinuation { continuation in
            let call = Call(continuation, body)
            guard enqueue(call) else {
                call.answer(.failure(CredentialError(.unavailable, "munged hangs; restart it")))
                return
            }
            let loop = MultiThreadedEventLoopGroup.singleton.any()
            let deadline = loop.scheduleTask(in: TimeAmount(timeout)) {
                _ = call.answer(.failure(CredentialError(.unavailable, "munged did not answer in time")))
            }
            call.deadline.withLockedValue { $0 = deadline }
            // It may have been answered before there was something to cancel.
            if call.isAnswered { deadline.cancel() }
        }
        return try outcome.get()
    }

    private func enqueue(_ call: Call) -> Bool {
        let (taken, thread) = state.withLockedValue { state -> (Bool, Int?) in
            let isStuck = state.running.count == limit && state.running.values.allSatisfy(\.isAnswered)
            guard !isStuck, state.queue.count < queueLimit else { return (false, nil) }
            let free = (0..<limit).first { state.running[$0] == nil }
            if let free { state.running[free] = call } else { state.queue.append(call) }
            return (true, free)
        }
        guard let thread else { return taken }
        let begun = Self.start { [self] in serve(call, thread) }
        if !begun {
            state.withLockedValue { $0.running[thread] = nil }
            call.answer(.failure(CredentialError(.unavailable, "the system starts no more threads")))
        }
        return true
    }

    private func serve(_ first: Call, _ thread: Int) {
        var next: Call? = first
        while let call = next {
            call.answer(call.body())
            next = state.withLockedValue { state in
                while let waiting = state.queue.popFirst() {
                    guard !waiting.isAnswered else { continue }
                    state.running[thread] = waiting
                    return waiting
                }
                state.running[thread] = nil
                return nil
            }
        }
    }

    // MARK: threads

    private final class Box {
        let body: @Sendable () -> Void

        init(_ body: @escaping @Sendable () -> Void) {
            self.body = body
        }
    }

    /// A detached thread that no signal reaches: they belong to the main program.
    private static func start(_ body: @escaping @Sendable () -> Void) -> Bool {
        let box = Unmanaged.passRetained(Box(body))
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        var thread = pthread_t()
        let outcome = pthread_create(
            &thread, nil,
            { raw in
                if let raw { Unmanaged<Box>.fromOpaque(raw).takeRetainedValue().body() }
                return nil
            }, box.toOpaque())
        guard outcome == 0 else {
            box.release()
            return false
        }
        pthread_detach(thread)
        return true
    }
}
