// SPDX-License-Identifier: GPL-3.0-or-later

internal import ServiceLifecycle
internal import Support

/// Opens what something else may keep from being opened: tries until it works, the service is to end, or trying again cannot
/// help.
struct Patience: Sendable {
    /// What can be tried again.
    struct Trouble: Error, CustomStringConvertible {
        var description: String
        /// How bad it is meanwhile: a host that is not set up yet is no failure.
        var level = Finding.Level.failure
    }

    var retry = RetryPolicy(first: .milliseconds(500), ceiling: .seconds(10))

    /// - Parameter waiting: told of each failure.
    /// - Returns: nil when the service is to end before it worked.
    /// - Throws: every error of `open` but ``Trouble``.
    func open<Part: Sendable>(
        waiting: @Sendable (Trouble) -> Void, _ open: @Sendable @escaping () async throws -> Part
    ) async throws -> Part? {
        var failures = 0
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            do {
                return try await open()
            } catch let trouble as Trouble {
                waiting(trouble)
            }
            let pause = retry.delay(attempt: failures)
            await cancelWhenGracefulShutdown { try? await Task.sleep(for: pause) }
            failures += 1
        }
        return nil
    }
}
