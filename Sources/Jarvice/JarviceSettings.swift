// SPDX-License-Identifier: GPL-3.0-or-later

/// What a site settles of the gateway, whatever the sources of its configuration are.
public struct JarviceSettings: Sendable, Equatable {
    public var executor = ExecutorSettings()
    public var tokens = TokenSettings()
    public var users = UserRule.claim("preferred_username")
    /// The lowest uid that jobs run as.
    public var minimumUserID: UInt32 = 1000
    /// Groups of one of which a user must be a member; empty: any.
    public var groups: [String] = []
    /// Where jobs go that name none; nil: Slurm's default.
    public var partition: String?
    /// How long any other call waits for slurmctld.
    public var slurmTimeout: Duration = .milliseconds(900)
    /// How long a call for the exit status waits for an end that may be on its way.
    public var endTimeout: Duration = .milliseconds(900)
    /// How long a submission waits for slurmctld.
    public var submitTimeout: Duration = .seconds(20)

    /// How long what a job wrote stays after its end.
    public var keepOutput: Duration = .seconds(86_400)
    /// As whom folders are listed for a call without a token; nil: not at all.
    public var listingUser: String?
    /// The public names of interactive jobs' pages; nil: there are none, and such jobs are refused.
    public var jobsDomain: JobsDomain?
    /// Where interactive applications listen on their job's first node.
    public var servicePort = 2228

    public init() {}
}
