// SPDX-License-Identifier: GPL-3.0-or-later

/// slurmctld's own words for a job, as its `%pJ` prints them: `JobId=7`, `JobId=7_3(9)`, `JobId=7_*`, `JobId=5+1(6)`.
public struct JobText: Sendable, Hashable {
    /// Slurm's number of the record: the one in brackets, else the only one.
    public var jobID: UInt32

    public init?(_ text: String) {
        guard text.hasPrefix("JobId=") else { return nil }
        let body = text.dropFirst("JobId=".count).prefix { $0 != " " && $0 != "," }
        let inner = body.split(separator: "(", omittingEmptySubsequences: false)
        let digits: Substring
        if inner.count > 1, let own = inner.last, own.hasSuffix(")") {
            digits = own.dropLast()
        } else {
            digits = body.prefix { $0.isASCII && $0.isNumber }
        }
        guard let number = UInt32(digits), number > 0, number < 0xffff_fff0 else { return nil }
        jobID = number
    }
}
