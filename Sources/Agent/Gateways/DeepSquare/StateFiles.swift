// SPDX-License-Identifier: GPL-3.0-or-later

internal import DeepSquare
internal import Ethereum
internal import FoundationEssentials
internal import JobLifecycle
internal import Logging
internal import NIOConcurrencyHelpers
internal import Persistence
internal import ServiceLifecycle

/// The state's files beside each other: whether they belong together, and what is done when they do not (docs/state.md).
struct StateFiles: Service {
    let ledger: Ledger
    let chain: ChainParts
    let logger: Logger
    private let files: [any StateFile]
    private let identity: NIOLockedValueBox<StateIdentity>

    /// - Parameters:
    ///   - feed: its name in the chain's file.
    ///   - file: the gateway's; learns what is in doubt.
    init(ledger: Ledger, chain: ChainParts, feed: String, file: inout GridFile, logger: Logger) async throws {
        self.ledger = ledger
        self.chain = chain
        self.logger = logger
        files = [ledger, chain.store, file.stateFile]
        var found = try await StateComparison.of(files)
        if let refusal = found.refusal { throw Daemon.StartFailure(exitStatus: 78, description: refusal) }
        if let read = file.readBlock {
            switch try await chain.store.align(feed, to: read) {
            case .same: break
            case .begun: found.lower(file.stateFile.fileName)
            case .behind: found.lower(chain.store.fileName)
            }
        }
        if let sent = try await file.ownTransaction(), try await !chain.store.knows(sent) {
            found.lower(chain.store.fileName)
        }
        if !found.isSame {
            Self.tell(found, logger)
            let chainIsLost = !found.isProven(chain.store.fileName, by: file.stateFile.fileName)
            if chainIsLost { try await chain.manager.forgive() }
            try await file.doubt(chainIsLost: chainIsLost, client: chain.client)
        }
        identity = NIOLockedValueBox(try await StateComparison.advance(files, from: found.identity))
    }

    private static func tell(_ found: StateComparison, _ logger: Logger) {
        for (condition, words) in [(StateComparison.Condition.new, "new"), (.older, "an old copy")] {
            for name in found.names(condition) {
                logger.warning(
                    "a file of the state is not the one that it was: what it lacks is read again from the chain, Slurm and the others",
                    metadata: ["path": "\(name)", "why": "\(words)"])
            }
        }
    }

    /// An old copy is known by its generation: each hour has one of its own.
    private static let interval = Duration.seconds(3600)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                try? await Task.sleep(for: Self.interval)
                if Task.isCancelled { return }
                do {
                    let next = try await StateComparison.advance(files, from: identity.withLockedValue { $0 })
                    identity.withLockedValue { $0 = next }
                } catch {
                    logger.debug("the state's files could not be marked", metadata: ["why": "\(error)"])
                }
            }
        }
    }
}
