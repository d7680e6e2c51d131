// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import Slurm
import Testing

@testable import CommandOutput

@Suite struct FailureTests {
    /// As `--help` documents them (OutputTests of the agent).
    @Test(
        arguments: [
            (.invalidRequest, 65), (.notFound, 4), (.unavailable, 69), (.authentication, 69),
            (.accountingUnavailable, 69), (.timedOut, 75), (.cancelled, 75), (.permissionDenied, 77),
            (.configuration, 78), (.alreadyEnded, 1), (.wrongState, 1), (.rejected, 1), (.association, 1), (.limit, 1),
            (.impossible, 1), (.partition, 1), (.federation, 1), (.notAuthoritative, 1), (.helperFailed, 1),
            (.unexpected, 1),
        ] as [(SlurmError.Code, Int32)])
    func exitStatus(_ code: SlurmError.Code, _ status: Int32) {
        #expect(SlurmError(code, "x").exitStatus == status)
    }

    @Test func localTimeHasItsOffset() throws {
        let text = LocalTime.text(Date(timeIntervalSince1970: 1_800_000_000))
        #expect(text.wholeMatch(of: #/20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}/#) != nil)
    }
}
