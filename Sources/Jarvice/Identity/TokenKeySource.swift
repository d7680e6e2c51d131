// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
internal import Logging

/// Where the token issuer's keys come from. They are kept, and asked for again when they are old or a token names one that is
/// not there: issuers change them.
actor TokenKeySource {
    struct Timing: Sendable {
        /// After which a URL is asked again.
        var refresh: Duration = .seconds(600)
        /// Between two questions because of an unknown key: whoever sends such tokens must not make many.
        var pause: Duration = .seconds(10)
        /// For so long they are good when the issuer does not answer.
        var patience: Duration = .seconds(3600)
    }

    /// The text; for a file, with a mark that changes with it, so that one that is the same is not read again.
    typealias Load = @Sendable () async throws -> [UInt8]

    private let load: Load
    private let timing: Timing
    private let now: @Sendable () -> Duration
    private let logger: Logger
    private var keys: TokenKeys?
    private var loadedAt: Duration?
    private var triedAt: Duration?
    private var lastProblem: String?
    private var loading: Task<Void, Never>?

    init(
        timing: Timing = Timing(), logger: Logger, now: @escaping @Sendable () -> Duration, load: @escaping Load
    ) {
        self.timing = timing
        self.logger = logger
        self.now = now
        self.load = load
    }

    /// Seconds since they came; nil: there are none.
    var age: Int64? { loadedAt.map { (now() - $0).components.seconds } }
    var count: Int { keys?.count ?? 0 }

    /// - Parameter keyID: which one is needed.
    func current(for keyID: String?) async throws(JarviceError) -> TokenKeys {
        let age = loadedAt.map { now() - $0 }
        let isOld = age.map { $0 >= timing.refresh } ?? true
        let isMissing = keys.map { !$0.has(keyID) } ?? true
        let mayAsk = triedAt.map { now() - $0 >= timing.pause } ?? true
        if (isOld || isMissing) && mayAsk || loading != nil { await refresh() }
        guard let keys, let loadedAt, now() - loadedAt < timing.patience else {
            throw JarviceError(.unavailable, "the token issuer's keys are not there: \(lastProblem ?? "not read yet")")
        }
        return keys
    }

    private func refresh() async {
        if let loading { return await loading.value }
        triedAt = now()
        let task = Task {
            do {
                let found = try TokenKeys(try await load())
                keys = found
                loadedAt = now()
                if lastProblem != nil { logger.notice("JARVICE: the token issuer's keys can be read again") }
                lastProblem = nil
            } catch {
                if lastProblem == nil {
                    logger.error("JARVICE: the token issuer's keys cannot be read", metadata: ["why": "\(error)"])
                }
                lastProblem = "\(error)"
            }
        }
        loading = task
        await task.value
        loading = nil
    }
}
