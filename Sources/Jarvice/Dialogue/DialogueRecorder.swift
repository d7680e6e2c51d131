// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
public import Logging
internal import NIOConcurrencyHelpers
public import ServiceLifecycle
internal import Support

/// Writes down calls and what was answered, for support: what ``DialogueRecord`` leaves of them. No answer waits for it: what the disk does
/// not take in time is dropped and counted.
public final class DialogueRecorder: Service {
    private struct State {
        var lines: [String] = []
        var bytes = 0
        /// Not written, since the last that were.
        var dropped = 0
        /// By path, what was answered last to a call without arguments.
        var last: [String: Int] = [:]
    }

    /// Bytes that wait for the disk.
    static let queueLimit = 1 << 20
    /// Paths whose last answer is remembered.
    static let memoryLimit = 64
    private static let patience = Duration.seconds(10)

    private let file: DialogueFile
    private let logger: Logger
    private let onTrouble: @Sendable (String?) -> Void
    private let now: @Sendable () -> Int64
    private let state = NIOLockedValueBox(State())
    private let disk = BlockingThread(name: "jarvice dialogue")
    private let wake = WakeUp()

    /// - Parameter onTrouble: told why nothing is recorded, and nil when it is.
    public convenience init(
        path: String, logger: Logger, onTrouble: @escaping @Sendable (String?) -> Void = { _ in }
    ) {
        self.init(DialogueFile(path: path), logger: logger, onTrouble: onTrouble)
    }

    init(
        _ file: DialogueFile, logger: Logger, onTrouble: @escaping @Sendable (String?) -> Void = { _ in },
        now: @escaping @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970) }
    ) {
        self.file = file
        self.logger = logger
        self.onTrouble = onTrouble
        self.now = now
    }

    /// A question that is answered as it was the last time is not written again: upstream asks every few seconds.
    func take(_ request: CallRequest, _ route: Route, _ args: JSONValue?, _ answer: Answer) {
        if request.method != "POST" {
            let path = "\(request.method) \(request.target.prefix { $0 != "?" })"
            var hasher = Hasher()
            hasher.combine(answer.status)
            hasher.combine(answer.body)
            let hash = hasher.finalize()
            let isKnown = state.withLockedValue { state in
                guard state.last[path] != hash else { return true }
                if state.last.count >= Self.memoryLimit { state.last = [:] }
                state.last[path] = hash
                return false
            }
            if isKnown { return }
        }
        let line = DialogueRecord.line(request.method, request.target, route, args, answer, at: now())
        state.withLockedValue { state in
            guard state.bytes + line.utf8.count <= Self.queueLimit else {
                state.dropped += 1
                return
            }
            state.lines.append(line)
            state.bytes += line.utf8.count
        }
        wake.raise()
    }

    public func run() async throws {
        logger.notice("JARVICE: calls are recorded", metadata: ["path": "\(file.path)"])
        await withTaskCancellationOrGracefulShutdownHandler {
            while !Task.isCancelled, !Task.isShuttingDownGracefully {
                await flush()
                await wake.wait(atMost: .seconds(60))
            }
        } onCancelOrGracefulShutdown: { [wake] in
            wake.raise()
        }
        await flush()
    }

    /// What cannot be written is dropped: a disk that is full is full of something else.
    func flush() async {
        let (lines, dropped) = state.withLockedValue { state in
            defer { (state.lines, state.bytes) = ([], 0) }
            return (state.lines, state.dropped)
        }
        guard !lines.isEmpty else { return }
        let text = (dropped > 0 ? "# \(dropped) calls before were not recorded\n" : "") + lines.joined()
        do {
            try await disk.run(within: Self.patience) { [file] in try file.append(text) }
            state.withLockedValue { $0.dropped -= dropped }
            onTrouble(nil)
        } catch {
            state.withLockedValue { $0.dropped += lines.count }
            onTrouble("\(error)")
        }
    }
}
