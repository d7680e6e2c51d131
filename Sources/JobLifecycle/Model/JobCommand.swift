// SPDX-License-Identifier: GPL-3.0-or-later

/// What a gateway wants done with a job that it ordered. The ledger keeps it until it is done (``Ledger/ask(_:of:_:claim:)``).
public enum JobCommand: Sendable, Hashable {
    /// End it; an order that is no job yet becomes none.
    case cancel(why: String)
    /// Minutes. A later one takes the place of one that is not done yet.
    case timeLimit(minutes: UInt64)
    /// Lets a job start that was ordered to stay held. One that an administrator holds stays so.
    case release

    enum Kind: String, Sendable, Hashable {
        case cancel
        case timeLimit = "time-limit"
        case release
    }

    var kind: Kind {
        switch self {
        case .cancel: .cancel
        case .timeLimit: .timeLimit
        case .release: .release
        }
    }

    /// As the ledger stores it.
    var argument: String {
        switch self {
        case .cancel(let why): why
        case .timeLimit(let minutes): "\(minutes)"
        case .release: ""
        }
    }

    /// nil: not a command of this release.
    init?(kind: String, argument: String) {
        switch (Kind(rawValue: kind), UInt64(argument)) {
        case (.cancel, _): self = .cancel(why: argument)
        case (.timeLimit, let minutes?): self = .timeLimit(minutes: minutes)
        case (.release, _): self = .release
        case (.timeLimit, nil), (nil, _): return nil
        }
    }

    /// What became of it.
    public enum State: Sendable, Hashable {
        /// It waits for the job's number, or for an answer of slurmctld.
        case open
        /// Slurm has done it, or the job is over.
        case done
        /// It will not be done. Asking for it again tries it again.
        case impossible(String)
    }

    /// What came of one try.
    public enum Answer: Sendable, Hashable {
        case done
        /// It will not be done.
        case impossible(String)
        /// Why it is not done yet. The core goes on trying.
        case failed(String)
        /// Nothing was heard in time. The core goes on trying.
        case none
    }
}

/// A command as the ledger keeps it.
public struct CommandRecord: Sendable, Hashable {
    public var ledgerJob: Int64
    public var command: JobCommand
    public var state: JobCommand.State
    /// Unix microseconds.
    public var askedAt: Int64
    /// Failed tries in a row.
    public var tries: Int
    /// Why the last one failed.
    public var trouble: String?
    /// When it was done, Unix microseconds, until slurmctld cannot lose that any more.
    var doneAt: Int64?
}

extension CommandRecord {
    /// For people: `time limit of 60 min, open, failed 3 times so far: slurmctld does not answer`.
    public var text: String {
        let what =
            switch command {
            case .cancel(let why): "cancel (\(why))"
            case .timeLimit(let minutes): "time limit of \(minutes) min"
            case .release: "release"
            }
        return switch state {
        case .open where tries > 0: "\(what), open, failed \(tries) times so far: \(trouble ?? "")"
        case .open: "\(what), open"
        case .done: "\(what), done"
        case .impossible(let why): "\(what), impossible: \(why)"
        }
    }
}

extension CommandRecord: Encodable {
    private enum CodingKeys: String, CodingKey {
        case command, argument, state
        case askedAt = "asked_at_us"
        case tries, error
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(command.kind.rawValue, forKey: .command)
        try container.encode(command.argument, forKey: .argument)
        try container.encode(LedgerTransaction.stored(state).word, forKey: .state)
        try container.encode(askedAt, forKey: .askedAt)
        try container.encode(tries, forKey: .tries)
        try container.encodeIfPresent(trouble, forKey: .error)
    }
}
