// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
internal import NIOConcurrencyHelpers
internal import Slurm
internal import Support

/// Whether something keeps this host's clock right, asked of whoever may be asked here.
struct HostClock: Sendable {
    /// The kernel; nil where a sandbox does not let it be asked.
    var kernel: @Sendable () -> Bool? = { SlurmController.isClockSynchronised }
    /// systemd-timedated; nil: it cannot tell.
    var service: @Sendable () -> Bool? = { TimeService().isSynchronised() }
    /// systemd-timesyncd has been in time once since the host was started.
    var hasBeenInTime: @Sendable () -> Bool = { access("/run/systemd/timesync/synchronized", F_OK) == 0 }

    /// In a container, where systemd writes down what kind: the clock is the machine's that runs it, and set there.
    static var isOfAnotherMachine: Bool { access("/run/systemd/container", F_OK) == 0 }

    /// timedated is started for each question: an agent asks seldom.
    static let shared = HostClock()
    private static let thread = BlockingThread(name: "host clock")
    private static let last = NIOLockedValueBox<(answer: Bool?, at: ContinuousClock.Instant)?>(nil)
    private static let lifetime: Duration = .seconds(120)

    /// Blocks for some seconds at most. nil: nobody can tell.
    func isSynchronised() -> Bool? {
        if let word = kernel() ?? service() { return word }
        return hasBeenInTime() ? true : nil
    }

    /// As it was found within the last two minutes.
    static var isSynchronised: Bool? {
        get async {
            if let last = last.withLockedValue({ $0 }), last.at.duration(to: .now) < lifetime { return last.answer }
            let answer = (try? await thread.run(within: .seconds(10)) { shared.isSynchronised() }) ?? nil
            if !Task.isCancelled { last.withLockedValue { $0 = (answer, .now) } }
            return answer
        }
    }
}
