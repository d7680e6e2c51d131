// SPDX-License-Identifier: GPL-3.0-or-later

internal import NIOConcurrencyHelpers
internal import Support

/// How far parts are, as far as it is known: of those that post, and of those whose output was looked at.
final class ProgressBoard: Sendable {
    private let known = NIOLockedValueBox<[Int64: PartProgress]>([:])
    let disk = BlockingThread(name: "benchmark progress")

    func note(_ progress: PartProgress, of part: Int64) { known.withLockedValue { $0[part] = progress } }
    func forget(_ part: Int64) { known.withLockedValue { $0[part] = nil } }
    subscript(_ part: Int64) -> PartProgress? { known.withLockedValue { $0[part] } }
}

extension BenchmarkRunner {
    /// Bytes of an output's end in which its last line of progress is looked for.
    private static let tail = 64 << 10
    /// A hung disk is not waited for.
    private static let patience: Duration = .seconds(2)

    func withProgress(_ runs: [BenchmarkRun]) async -> [BenchmarkRun] {
        guard runs.contains(where: { $0.endedAt == nil }), let open = try? await file.open()?.parts else { return runs }
        var runs = runs
        for run in runs.indices {
            for part in runs[run].parts.indices where runs[run].parts[part].state == .submitted {
                guard let one = open.first(where: { $0.id == runs[run].parts[part].id }), one.jobID != nil else {
                    continue
                }
                await look(one)
                runs[run].parts[part].progress = board[one.id]
            }
        }
        return runs
    }

    private func look(_ part: BenchmarkFile.OpenPart) async {
        guard !part.isPosted else { return }
        let text = try? await board.disk.run(within: Self.patience) { [readTail] in
            try readTail(part.output, part.userID, Self.tail)
        }
        if let last = text.flatMap({ PartProgress.last(in: $0, token: part.token) }) { board.note(last, of: part.id) }
    }
}
