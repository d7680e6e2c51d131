// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Slurm

@Suite struct JobReasonTests {
    /// Seen on slurmctld 22.05.8.
    @Test(
        arguments: [
            (0, "None"), (1, "Priority"), (2, "Dependency"), (3, "Resources"), (9, "BeginTime"),
            (15, "ReqNodeNotAvail"),
            (16, "JobHeldUser"), (20, "NodeDown"), (23, "JobLaunchFailure"), (24, "NonZeroExitCode"), (25, "TimeLimit"),
            (72, "JobArrayTaskLimit"), (198, "ReservationDeleted"),
        ] as [(UInt32, String)])
    func names(_ number: UInt32, _ name: String) {
        #expect(JobReason(number: number).description == name)
    }

    /// 24.11 and 26.05 add this one; 22.05 calls it "199".
    @Test func knowsWhatNewerReleasesAdd() {
        #expect(JobReason(number: 199).description == "ReservationInvalid")
    }

    @Test(arguments: [200, 1000, .max] as [UInt32])
    func newerOnesKeepTheirNumber(_ number: UInt32) {
        #expect(JobReason(number: number).description == "Reason\(number)")
    }

    /// Every name against the library's own table, less those that newer releases took up again or retired.
    @Test(arguments: 0..<199)
    func agreesWithLibslurm(_ number: UInt32) throws {
        let changed: Set<UInt32> = [17, 33, 34, 76, 77]
        if Cluster.libraryVersion >= "24.11" && changed.contains(number) { return }
        #expect(try LibslurmWords.reason(number) == JobReason(number: number).description)
    }
}
