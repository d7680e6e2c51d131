// SPDX-License-Identifier: GPL-3.0-or-later

internal import NIOConcurrencyHelpers
internal import NIOCore

/// Where an interactive job listens.
struct PagePlace: Sendable, Hashable {
    /// The node's, as Slurm has it.
    var address: String
    var port: Int
}

/// Whoever knows where the pages of jobs are.
protocol JobPages: Sendable {
    /// nil: no such job runs here, or that is not its secret.
    func place(of jobID: UInt32, secret: String) async throws(JarviceError) -> PagePlace?

    var relays: JobRelays { get }
}

/// Connections to jobs, which end when the job does, whatever still listens on its node then.
final class JobRelays: Sendable {
    private let channels = NIOLockedValueBox<[UInt32: [ObjectIdentifier: any Channel]]>([:])

    func add(_ channel: any Channel, to jobID: UInt32) {
        channels.withLockedValue { $0[jobID, default: [:]][ObjectIdentifier(channel)] = channel }
    }

    func remove(_ channel: any Channel, from jobID: UInt32) {
        channels.withLockedValue { channels in
            channels[jobID]?[ObjectIdentifier(channel)] = nil
            if channels[jobID]?.isEmpty == true { channels[jobID] = nil }
        }
    }

    func cut(_ jobID: UInt32) {
        for channel in channels.withLockedValue({ $0.removeValue(forKey: jobID) ?? [:] }).values {
            channel.close(promise: nil)
        }
    }

    var count: Int { channels.withLockedValue { $0.values.reduce(0) { $0 + $1.count } } }
}
