// SPDX-License-Identifier: GPL-3.0-or-later

public import Logging
public import ServiceLifecycle

/// Follows hints: asks slurmctld, then slurmdbd, what has become of a job, and feeds the fold.
///
/// A hint stays in the ledger until somebody who may say so has said what there is to say. "No answer" leaves it there. What
/// many answers bring is one transaction, in which their hints go as well.
public struct HintFollower: Service {
    public struct Settings: Sendable {
        /// Between two answers that know nothing of an open run before it counts as vanished. Default 60 s.
        public var vanishInterval: Duration = .seconds(60)
        /// How often a hint about a job that nobody knows is tried before it is parked. Default 8, over about 2 min.
        public var tries = 8
        /// Questions to slurmctld at once. Default 4; one more for jobs that may have started.
        public var concurrency = 4

        public init() {}
    }

    private let driver: HintDriver

    public init(ledger: Ledger, scheduler: any Scheduler, settings: Settings = Settings(), logger: Logger) {
        self.init(ledger: ledger, scheduler: scheduler, settings: settings, logger: logger, clock: ContinuousClock())
    }

    init(
        ledger: Ledger, scheduler: any Scheduler, settings: Settings = Settings(), limits: HintQueue.Limits? = nil,
        logger: Logger, clock: any Clock<Duration>
    ) {
        var asked = limits ?? HintQueue.Limits()
        if limits == nil { asked.looks = max(1, settings.concurrency) }
        driver = HintDriver(
            ledger: ledger, scheduler: scheduler, settings: settings, limits: asked, logger: logger, clock: clock)
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown { await driver.run() }
    }

    /// Follows what is due now, until all of it is answered or has to wait.
    /// - Returns: whether there was something.
    @discardableResult
    func followDue() async throws(LedgerError) -> Bool {
        try await driver.followDue()
    }
}
