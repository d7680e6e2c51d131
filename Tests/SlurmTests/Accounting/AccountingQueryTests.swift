// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import Testing

@testable import Slurm

@Suite struct AccountingQueryTests {
    private static let byID = AccountingQuery(ids: [7], submittedFrom: 100, submittedTo: 200)
    private static let byEnd = AccountingQuery(endedSince: 150)
    private static let byWindow = AccountingQuery(endedSince: 150, endedUntil: 160)
    private static let bySubmission = AccountingQuery(submittedFrom: 100)

    /// Submitted, ended, in a partition (its row has the submission); wanted.
    @Test(
        arguments: [
            (byID, 100, 150, true, true), (byID, 200, nil, true, true), (byID, 99, 150, true, false),
            (byID, 201, 250, true, false), (byID, nil, 150, true, false),
            // All that is known of a job that is asked for is told.
            (byID, 100, 150, false, true),
            (byEnd, 10, 150, true, true), (byEnd, 10, 149, true, false), (byEnd, 10, nil, true, false),
            (AccountingQuery(endedSince: 0), 10, nil, true, false),
            (byWindow, 10, 149, true, false), (byWindow, 10, 150, true, true), (byWindow, 10, 160, true, true),
            (byWindow, 10, 161, true, false), (byWindow, 10, nil, true, false),
            // Among what ended, one whose submission has yet to come waits for it, but not for ever.
            (byEnd, 10, 281, false, false), (byEnd, 10, 280, false, true), (byEnd, 10, 149, false, false),
            (bySubmission, 100, nil, true, true), (bySubmission, 99, nil, true, false),
            // It has the administrator's comment already, which may be our tag.
            (bySubmission, 100, 150, false, true),
        ] as [(AccountingQuery, Int64?, Int64?, Bool, Bool)])
    func matches(query: AccountingQuery, submitted: Int64?, ended: Int64?, isWhole: Bool, expected: Bool) throws {
        var row = try JSONDecoder().decode(
            AccountingJob.self,
            from: Data(
                (#"{"id":7,"databaseIndex":7,"name":"allocation","userID":0,"groupID":0,"state":4,"exit":{"raw":0},"#
                    + #""derivedExit":{"raw":0},"elapsed":0,"suspended":0}"#).utf8))
        row.submitTime = submitted
        row.endTime = ended
        row.partition = isWhole ? "main" : nil
        #expect(query.matches(row, now: 300) == expected)
    }

    /// slurmdbd's as_mysql_job.c writes these and no others for a run that is over (22.05.8 to 26.05.3).
    @Test func endStates() {
        #expect(
            AccountingQuery.endStates.sorted()
                == [3, 4, 5, 6, 7, 8, 9, 10, 11, 1 << 10, 1 << 13, 1 << 19])
    }
}
