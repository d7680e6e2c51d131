// SPDX-License-Identifier: GPL-3.0-or-later

public import FoundationEssentials

/// All jobs that slurmctld knew at one moment: pending, running, and those ended within MinJobAge.
public final class JobSnapshot: Sendable {
    /// slurmctld's own time of the last change. Two snapshots of one slurmctld with equal times hold the same jobs.
    public let updateTime: Date
    /// In slurmctld's order.
    public let jobs: [Job]
    private let positions: [UInt32: Int]

    init(updateTime: Date, jobs: [Job]) {
        self.updateTime = updateTime
        self.jobs = jobs
        positions = Dictionary(
            jobs.enumerated().map { ($0.element.id, $0.offset) }, uniquingKeysWith: { first, _ in first })
    }

    /// The record with this number, nil when slurmctld has none.
    public subscript(id: UInt32) -> Job? {
        positions[id].map { jobs[$0] }
    }
}
