// SPDX-License-Identifier: GPL-3.0-or-later

internal import Logging

extension JobOrder {
    /// A gateway's name of a job may begin with whose it is: `contract/job`. The log has the job alone, by which the gateway
    /// itself names it there.
    static func logID(_ externalID: String) -> Substring {
        externalID.split(separator: "/").last ?? ""
    }
}

extension OrderRecord {
    /// The ids of a line of the log (docs/logs.md).
    func logIDs(slurm: UInt32? = nil) -> Logger.Metadata {
        var ids: Logger.Metadata = [
            "gateway": "\(order.gateway)", "job": "\(JobOrder.logID(order.externalID))", "claim": "\(order.claim)",
            "ledger_job": "\(ledgerJob)",
        ]
        if let slurm { ids["slurm"] = "\(slurm)" }
        return ids
    }
}
