// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import Glibc
internal import JobLifecycle
internal import Support

/// Writes every transition of the cluster as a line of JSON to a file, each once, in order; synced before the ledger is
/// told. For tests, and for admins with their own scripts.
///
/// The file has a thread of its own: a disk that hangs holds up the journal, and nobody else.
struct JournalGateway: Gateway {
    let name = "journal"
    let scope = Ledger.Interest.Scope.everything
    let batchLimit = 500

    private let file: JournalFile
    private let thread: BlockingThread
    /// How long the disk may take for one batch.
    private static let patience = Duration.seconds(30)

    init(
        path: String, clock: any Clock<Duration> = ContinuousClock(), calls: JournalFile.Calls = JournalFile.Calls()
    ) {
        file = JournalFile(path: path, calls: calls)
        thread = BlockingThread(name: "journal", clock: clock)
    }

    /// Of the last line in the file; nil: there is none, or it cannot be read now.
    func lastSequence() async -> Int64? {
        (try? await thread.run(within: .seconds(5)) { [file] in file.lastSequence }) ?? nil
    }

    func deliver(_ transitions: [JobTransition]) async throws(GatewayUnavailable) -> [Delivery] {
        do {
            return try await thread.run(within: Self.patience) { [file] in try file.take(transitions) }
        } catch let error as BlockingThread.Stuck {
            throw GatewayUnavailable("\(file.path): its disk does not answer: \(error)")
        } catch {
            throw GatewayUnavailable("\(error)")
        }
    }
}
