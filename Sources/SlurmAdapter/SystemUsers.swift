// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
package import Slurm

/// Users whom no job from outside runs as, whatever is configured: it would read the key, or could do anything. They are known
/// by their uids, as several names may have one.
package enum SystemUsers {
    /// root, the agent's own user, and SlurmUser, who may be another one than the agent's.
    package static func all(_ controller: SlurmController) async throws(SlurmError) -> Set<UInt32> {
        own.union([try await controller.cluster().slurmUserID])
    }

    /// Those that are known without slurmctld.
    package static var own: Set<UInt32> { [0, getuid(), geteuid()] }

    /// Why a request is not submitted; nil: its user may.
    package static func refusal(of userID: UInt32, _ systemUsers: Set<UInt32>) -> String? {
        systemUsers.contains(userID) ? "the Unix user of the job may not run jobs from outside" : nil
    }
}
