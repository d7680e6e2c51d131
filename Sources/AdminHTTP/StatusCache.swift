// SPDX-License-Identifier: GPL-3.0-or-later

internal import StatusViews

/// The newest status. However many ask, it is gathered once at a time and at most once a second; whoever has waited long
/// enough gets the last one, as a part that hangs must not hide all others.
actor StatusCache {
    private let read: @Sendable () async -> AgentStatus
    private let maximumAge: Duration
    private let patience: Duration
    private var last: (status: AgentStatus, at: ContinuousClock.Instant)?
    private var isReading = false
    private var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
    private var nextWaiter = 0

    init(
        maximumAge: Duration = .seconds(1), patience: Duration = .seconds(5),
        read: @escaping @Sendable () async -> AgentStatus
    ) {
        self.read = read
        self.maximumAge = maximumAge
        self.patience = patience
    }

    /// - Returns: with its age in seconds; nil when there has never been one.
    func current() async -> (status: AgentStatus, age: Int64)? {
        if let last, last.at.duration(to: .now) < maximumAge { return (last.status, 0) }
        if !isReading {
            isReading = true
            Task { finish(await read()) }
        }
        let waiter = nextWaiter
        nextWaiter += 1
        // Cancelled, it is over at once, as is the wait.
        let timer = Task {
            try? await Task.sleep(for: patience)
            waiters.removeValue(forKey: waiter)?.resume()
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { waiters[waiter] = $0 }
        } onCancel: {
            timer.cancel()
        }
        timer.cancel()
        return last.map { ($0.status, $0.at.duration(to: .now).components.seconds) }
    }

    private func finish(_ status: AgentStatus) {
        last = (status, .now)
        isReading = false
        let ready = waiters
        waiters = [:]
        for waiter in ready.values { waiter.resume() }
    }
}
