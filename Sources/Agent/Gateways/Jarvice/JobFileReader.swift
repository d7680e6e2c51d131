// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import Jarvice
internal import Logging

extension AgentConfiguration {
    /// The end of a file that a job wrote, and how many lines are read at most; nil: there is nothing that the user can read.
    typealias JobFileReader = @Sendable (_ path: String, _ userID: UInt32) async throws -> (text: String, limit: Int)?

    /// Reads what jobs wrote as their users, for other gateways too; nil: `jarvice.files-socket` is not set.
    func jobFiles(_ logger: Logger) -> JobFileReader? {
        guard let socket = jarvice.filesSocket else { return nil }
        let files = HelperFiles(socket: socket, logger: logger)
        return { path, userID in
            try await files.tail(of: path, as: userID, lines: HelperFiles.lineLimit).map { ($0, HelperFiles.lineLimit) }
        }
    }
}
