// SPDX-License-Identifier: GPL-3.0-or-later

/// Which kind of error a number of slurm_errno.h is, and what to tell the administrator.
///
/// Numbers stand here rather than names, some of which exist in some headers only. The few whose meaning changed between
/// releases (2063, 4027, 6001) are of one kind under both. A number that is not listed is `unexpected`, with Slurm's own
/// words.
enum SlurmErrno {
    struct Meaning {
        var code: SlurmError.Code
        var advice: String?
    }

    static func meaning(of number: Int32) -> Meaning {
        for group in groups where group.numbers.contains(number) {
            return Meaning(code: group.code, advice: group.advice)
        }
        return Meaning(code: .unexpected, advice: nil)
    }

    /// Job not in the table of slurmctld (`ESLURM_INVALID_JOB_ID`).
    static let invalidJobID: Int32 = 2017
    /// Nothing has changed since the given time (`SLURM_NO_CHANGE_IN_DATA`); no error.
    static let noChange: Int32 = 1900
    /// No or an unexpected answer (`SLURM_UNEXPECTED_MSG_ERROR`).
    static let unexpectedMessage: Int32 = 1000
    /// Connection refused by slurmctld (`SLURMCTLD_COMMUNICATIONS_CONNECTION_ERROR`).
    static let connectionFailed: Int32 = 1800

    /// The request could not be sent (`SLURMCTLD_COMMUNICATIONS_SEND_ERROR`).
    static let sendFailed: Int32 = 1801

    /// slurmctld could not write the job's script into its StateSaveLocation (`ESLURM_WRITING_TO_FILE`), and has made no job. An
    /// environment that is missing answers the same until 26.05; ours never is.
    static let writingFailed: Int32 = 2019

    private struct Group {
        var code: SlurmError.Code
        var advice: String?
        var numbers: Set<Int32>

        init(_ code: SlurmError.Code, advice: String? = nil, _ numbers: Set<Int32>) {
            self.code = code
            self.advice = advice
            self.numbers = numbers
        }
    }

    private static let groups: [Group] = [
        // No or an unexpected answer (what slurm_update_job2 and its kin report while slurmctld is down); connect,
        // send, receive, shutdown; zero or incomplete messages; time-outs; standby controllers.
        Group(
            .unavailable, advice: "slurmctld does not answer: look at its log and at `scontrol ping`",
            [
                1000, 1001, 1002, 1003, 1004, 1013, 1800, 1801, 1802, 1803, 5000, 5001, 5002, 5003, 5004, 2027, 2131,
            ]
        ),
        // Zero bytes received: what a client sees of a credential that slurmctld does not accept.
        Group(
            .unavailable,
            advice:
                "slurmctld closed the connection: it does not accept the credential (token, key, clock) or goes down",
            [5005]
        ),
        Group(
            .unavailable,
            advice:
                "slurmctld cannot write into its StateSaveLocation: is its disk full? `scontrol show config` names it",
            [writingFailed]
        ),
        // Versions of client and server too far apart; no address in slurm.conf.
        Group(
            .configuration,
            advice: "this libslurm and slurmctld are not of compatible releases, or slurm.conf is wrong",
            [1005, 1006, 1011, 1012]
        ),
        Group(
            .authentication, advice: "check that the authentication service (munged, or sackd for auth/slurm) runs",
            [1007, 2026, 4004, 4007, 4008, 4009, 6000, 6001, 6002, 6003, 6004, 6005, 6006, 6007, 6008]
        ),
        // Access denied, user id, group id.
        Group(
            .permissionDenied, advice: "only SlurmUser, root or an operator may do this for other users",
            [2002, 2010, 2113]
        ),
        Group(.notFound, [invalidJobID]),
        // Already done, already finished, step complete.
        Group(.alreadyEnded, [2021, 2084, 4002]),
        // In transition, pending, disabled (a message to a job that does not run), suspended, started, not running, not suspended, not finished, step not running.
        Group(
            .wrongState,
            [2020, 2024, 2037, 2042, 2061, 2073, 2077, 2083, 2085, 2086, 2087, 2088, 2103, 4027, 4028, 4029]),
        // Account, QOS, WCKey, MCS label, association of a multi-partition request.
        Group(
            .association, advice: "check account, QOS and WCKey with `sacctmgr show assoc`",
            [2045, 2057, 2066, 2099, 2130]
        ),
        // Accounting policy, time limits, reservation access and use, QOS threshold, minimum time.
        Group(.limit, [2050, 2051, 2052, 2055, 2056, 2074, 2080, 2124, 8000]),
        // Counts, nodes, features, licences, GRES, dependencies, reservations that cannot be met.
        Group(
            .impossible,
            [
                2004, 2005, 2006, 2008, 2014, 2015, 2018, 2023, 2025, 2029, 2031, 2038, 2044, 2048, 2053, 2054, 2068,
                2069, 2071, 2072, 2081, 2102, 2111, 2114, 2115, 2119, 2121, 2122, 2132, 2133, 2134,
            ]
        ),
        // Unknown, no default, group not allowed, not available, down.
        Group(.partition, advice: "`slurm-grid-agent cluster` lists the partitions", [2000, 2001, 2003, 2070, 2101]),
        // Script, lengths, work directory, nice, environment.
        Group(.invalidRequest, [2009, 2012, 2063, 2123, 2127]),
        Group(.rejected, advice: "submissions are switched off on this cluster", [2105]),
        Group(.accountingUnavailable, advice: "slurmdbd does not answer", [7000, 7008]),
        Group(.federation, [7103, 7105, 7106]),
    ]
}
