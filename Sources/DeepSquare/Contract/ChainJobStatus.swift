// SPDX-License-Identifier: GPL-3.0-or-later

/// A job's status on the chain, by the contract's numbers. (The grid's gRPC services have other ones.)
public enum ChainJobStatus: UInt8, Sendable, Hashable, Codable, CaseIterable, CustomStringConvertible {
    case pending = 0
    case metaScheduled
    case scheduled
    case running
    case cancelled
    case finished
    case failed
    case outOfCredits
    case panicked

    /// Final: the contract takes nothing more.
    public var isCold: Bool { rawValue >= Self.cancelled.rawValue }

    public var description: String {
        switch self {
        case .pending: "Pending"
        case .metaScheduled: "MetaScheduled"
        case .scheduled: "Scheduled"
        case .running: "Running"
        case .cancelled: "Cancelled"
        case .finished: "Finished"
        case .failed: "Failed"
        case .outOfCredits: "OutOfCredits"
        case .panicked: "Panicked"
        }
    }
}
