// SPDX-License-Identifier: GPL-3.0-or-later

internal import NIOConcurrencyHelpers

/// The numbers of jobs of which somebody else than slurmctld's list has spoken since they were last taken.
///
/// Of a list only what differs from the one before is taken in. Between two lists that have the same record of a job its run
/// may have been seen otherwise: a plugin told of an end that a slurmctld, killed right after, takes back.
final class SpokenOf: Sendable {
    enum Jobs: Sendable, Hashable {
        case these(Set<UInt32>)
        /// Too many to be named.
        case all
    }

    private let jobs = NIOLockedValueBox(Jobs.these([]))
    /// Some hours of events that no list came between.
    static let limit = 100_000

    func add(_ ids: [UInt32]) {
        jobs.withLockedValue { jobs in
            guard case .these(var known) = jobs else { return }
            // Without this the set would be copied for each event.
            jobs = .these([])
            known.formUnion(ids)
            jobs = known.count > Self.limit ? .all : .these(known)
        }
    }

    func take() -> Jobs {
        jobs.withLockedValue { jobs in
            defer { jobs = .these([]) }
            return jobs
        }
    }

    /// They were not looked at.
    func giveBack(_ taken: Jobs) {
        switch taken {
        case .these(let ids): add(Array(ids))
        case .all: jobs.withLockedValue { $0 = .all }
        }
    }
}
