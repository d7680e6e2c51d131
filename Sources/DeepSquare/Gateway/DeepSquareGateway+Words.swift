// SPDX-License-Identifier: GPL-3.0-or-later

internal import Logging

extension DeepSquareGateway {
    /// The ids of a line of the log about a claim (docs/logs.md), and what else it says.
    func ids(_ key: Key, _ more: Logger.Metadata = [:]) -> Logger.Metadata {
        var words: Logger.Metadata = ["job": "\(key.job)", "claim": "\(key.number)"]
        if let slurm = claims[key]?.slurm.jobID { words["slurm"] = "\(slurm)" }
        return words.merging(more) { _, new in new }
    }
}

extension GridClaim.Report {
    /// The status that the chain is told.
    var statusWord: String { kind == .refuse ? "refused" : "\(status)" }
}
