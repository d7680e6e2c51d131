// SPDX-License-Identifier: GPL-3.0-or-later

internal import Slurm
internal import SpankBridge

/// The folder where slurmctld's plugin keeps what the agent has not acknowledged: whoever can write there can make up how jobs
/// ended.
extension Checks {
    private static let key = "grid_agent_spool="

    /// - Parameter hello: what the plugin says of itself; nil: not heard.
    func spool(_ cluster: Cluster, _ hello: PluginHello?) -> [Finding] {
        guard cluster.jobCompletionType == "jobcomp/grid_agent" else { return [] }
        var findings: [Finding] = []
        if let trouble = hello?.spoolTrouble, !trouble.isEmpty {
            findings.append(warning("spool", "the plugin says: \(trouble)"))
        }
        if let refused = hello?.spoolRefused, refused > 0 {
            findings.append(
                warning("spool", "\(refused) files were set aside as *.refused: look at them, then remove them"))
        }
        guard let folder = hello?.spoolFolder ?? Self.folder(cluster) else { return findings }
        switch FileTrust(owner: cluster.slurmUserID).folder(folder) {
        case .fine: findings.append(ok("spool", folder))
        case .missing: findings.append(ok("spool", "\(folder): none yet; the plugin makes it"))
        case .unseen(let why):
            findings.append(
                unknown("spool", because: "it cannot be looked at: \(why): run `slurm-grid-agent check` as root"))
        case .trouble(let why): findings.append(failure("spool", why))
        }
        return findings
    }

    /// As the plugin takes it: JobCompParams, else a folder of StateSaveLocation's.
    static func folder(_ cluster: Cluster) -> String? {
        for parameter in (cluster.jobCompletionParameters ?? "").split(separator: ",") where parameter.hasPrefix(key) {
            return String(parameter.dropFirst(key.count))
        }
        return cluster.stateSaveLocation.map { $0 + "/grid-agent" }
    }
}
