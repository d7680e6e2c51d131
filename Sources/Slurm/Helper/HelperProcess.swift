// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
internal import NIOConcurrencyHelpers
internal import Subprocess
internal import SystemPackage

/// One run of the helper: started, spoken to line by line, and over within a time limit.
struct HelperProcess: Sendable {
    var program: SlurmHelper.Program
    var task: SlurmHelper.Task
    var configurationFile: String?
    var clock: any Clock<Duration> = ContinuousClock()
    /// Whether there are descriptors for its pipes.
    var hasRoom: @Sendable () -> Bool = { HelperProcess.canOpenPipes() }

    enum Ending: Sendable, Equatable, CustomStringConvertible {
        case exited(Int32)
        case signalled(Int32)
        case timedOut

        var description: String {
            switch self {
            case .exited(let status): "exit status \(status)"
            case .signalled(let signal): "signal \(signal)"
            case .timedOut: "no answer in time"
            }
        }
    }

    struct Result: Sendable {
        var ending: Ending
        /// What it wrote to stderr, in one line.
        var said: String
    }

    /// Sends one line to the helper.
    typealias Send = @Sendable (String) async throws -> Void

    /// Runs the helper; `onLine` gets each line of its output. When `timeout` is over the process is killed.
    ///
    /// - Throws: `helperFailed` when it cannot be started; `cancelled` when the task is.
    func run(
        timeout: Duration, onLine: @escaping @Sendable (String, Send) async throws -> Void
    ) async throws(SlurmError) -> Result {
        try await run(onLine) { try await clock.sleep(for: timeout) }
    }

    /// The same, but the process is killed when it has said nothing for `silence`, however long it takes in all.
    func run(
        silence: Duration, onLine: @escaping @Sendable (String, Send) async throws -> Void
    ) async throws(SlurmError) -> Result {
        let elapsed = clock.stopwatch()
        let last = NIOLockedValueBox(Duration.zero)
        return try await run(
            { line, send in
                last.withLockedValue { $0 = elapsed() }
                try await onLine(line, send)
            },
            until: {
                while true {
                    let rest = last.withLockedValue { $0 } + silence - elapsed()
                    if rest <= .zero { return }
                    try await clock.sleep(for: rest)
                }
            })
    }

    private func run(
        _ onLine: @escaping @Sendable (String, Send) async throws -> Void,
        until deadline: @escaping @Sendable () async throws -> Void
    ) async throws(SlurmError) -> Result {
        // A helper that dies before it has read the question must not take this process with it.
        signal(SIGPIPE, SIG_IGN)
        guard hasRoom() else {
            throw SlurmError(
                .helperFailed,
                "cannot run the helper process \(program.path): too many files are open (RLIMIT_NOFILE)",
                call: "slurm-helper")
        }
        do {
            return try await withThrowingTaskGroup(of: Result?.self) { group in
                group.addTask { try await runToEnd(onLine) }
                group.addTask {
                    try await deadline()
                    return nil
                }
                let first = try await group.next() ?? nil
                // Cancelling kills the child, and the group waits until it is gone.
                group.cancelAll()
                return first ?? Result(ending: .timedOut, said: "")
            }
        } catch let error as SlurmError {
            throw error
        } catch is CancellationError {
            throw SlurmError(.cancelled, "cancelled by the caller", call: "slurm-helper")
        } catch {
            throw SlurmError(
                .helperFailed, "cannot run the helper process \(program.path): \(error)", call: "slurm-helper")
        }
    }

    private func runToEnd(_ onLine: @escaping @Sendable (String, Send) async throws -> Void) async throws -> Result {
        let result = try await Subprocess.run(
            .path(FilePath(program.path)),
            arguments: Arguments(
                [SlurmHelper.argument, task.rawValue] + (configurationFile.map { [$0] } ?? [])),
            environment: Self.environment(configurationFile: configurationFile),
            input: .inputWriter,
            output: .sequence,
            error: .string(limit: 1 << 20)
        ) { execution in
            let writer = execution.standardInputWriter
            // A helper that has ended reads no more; its end and its words tell why.
            let send: Send = { _ = try? await writer.write($0 + "\n") }
            var lines = HelperLines()
            for try await buffer in execution.standardOutput {
                let bytes = buffer.withUnsafeBytes { Array($0) }
                for line in try lines.take(bytes) { try await onLine(line, send) }
            }
            if let last = lines.last() { try await onLine(last, send) }
            try? await writer.finish()
        }
        let said = SlurmCall.tidy(result.standardError)
        switch result.terminationStatus {
        case .exited(let code): return Result(ending: .exited(code), said: said)
        case .signaled(let signal): return Result(ending: .signalled(signal), said: said)
        }
    }

    /// The library that starts it ends this process when it has got one of three pipes and does not get the next.
    private static func canOpenPipes() -> Bool {
        // The lowest number that is free: below it all are taken.
        let next = open("/dev/null", O_RDONLY | O_CLOEXEC)
        guard next >= 0 else { return false }
        close(next)
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return true }
        return limit.rlim_cur > rlim_t(next) + 16
    }

    /// Only what libslurm needs to find and reach the cluster: nothing of the agent's own settings, which may be
    /// secrets, goes to a child.
    private static func environment(configurationFile: String?) -> Environment {
        var values: [Environment.Key: String] = [:]
        for name in ["PATH", "LANG", "LC_ALL", "TZ", "SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT", "LD_LIBRARY_PATH"]
        {
            if let value = getenv(name), let key = Environment.Key(rawValue: name) {
                values[key] = String(cString: value)
            }
        }
        if let configurationFile, let key = Environment.Key(rawValue: "SLURM_CONF") { values[key] = configurationFile }
        return .custom(values)
    }
}

extension Clock where Duration == Swift.Duration {
    /// How much time has passed since this call.
    fileprivate func stopwatch() -> @Sendable () -> Duration {
        let start = now
        return { start.duration(to: self.now) }
    }
}
