// SPDX-License-Identifier: GPL-3.0-or-later

import CSlurm
import Glibc
import Testing

@testable import Slurm

@Suite struct SlurmCallTests {
    /// Numbers that real calls answered with (facts about 22.05.8, 24.11.5 and 26.05.5).
    @Test(
        arguments: [
            (1000, .unavailable), (1800, .unavailable), (1802, .unavailable), (5004, .unavailable),
            (1007, .authentication), (2010, .permissionDenied), (2002, .permissionDenied), (2017, .notFound),
            (2021, .alreadyEnded), (2084, .alreadyEnded), (2020, .wrongState), (2024, .wrongState), (2085, .wrongState),
            (2000, .partition), (2009, .invalidRequest), (2012, .invalidRequest), (2019, .unavailable),
            (2063, .invalidRequest), (2127, .invalidRequest), (2115, .impossible), (2045, .association),
            (2050, .limit), (2051, .limit), (2105, .rejected), (7000, .accountingUnavailable), (7103, .federation),
            (0, .unexpected), (-1, .unexpected), (1, .unexpected), (999_999, .unexpected),
        ] as [(Int32, SlurmError.Code)])
    func kinds(_ number: Int32, _ code: SlurmError.Code) {
        let failure = SlurmCall.failure("slurm_x", changes: false, number: number)
        #expect(failure.code == code)
        #expect(failure.number == number)
        #expect(failure.call == "slurm_x")
        #expect(!failure.message.isEmpty && !failure.message.contains("\n"))
        #expect(!failure.mayHaveHappened)
    }

    @Test(
        "Names in this release's header agree with the numbers",
        arguments: [
            (Int32(ESLURM_INVALID_JOB_ID.rawValue), SlurmErrno.invalidJobID),
            (Int32(SLURM_NO_CHANGE_IN_DATA.rawValue), SlurmErrno.noChange),
            (Int32(SLURMCTLD_COMMUNICATIONS_CONNECTION_ERROR.rawValue), SlurmErrno.connectionFailed),
            (Int32(ESLURM_WRITING_TO_FILE.rawValue), SlurmErrno.writingFailed),
        ])
    func numbersAreSlurms(_ header: Int32, _ ours: Int32) {
        #expect(header == ours)
    }

    @Test(
        "Only a connection that broke later may have carried a change",
        arguments: [
            (1800, false), (1801, true), (1802, true), (5000, true), (5004, true), (1000, true), (2017, false),
            (1007, false), (2027, true), (2019, false),
        ] as [(Int32, Bool)])
    func mayHaveHappened(_ number: Int32, _ may: Bool) {
        #expect(SlurmCall.failure("x", changes: true, number: number).mayHaveHappened == may)
        #expect(!SlurmCall.failure("x", changes: false, number: number).mayHaveHappened)
    }

    @Test func aPluginThatJustSaysNo() {
        #expect(SlurmCall.failure("slurm_submit_batch_job", changes: true, number: -1).code == .rejected)
    }

    @Test func detailComesFirst() {
        let failure = SlurmCall.failure("x", changes: true, number: 2024, detail: "job 7_3")
        #expect(failure.message.hasPrefix("job 7_3: "))
        #expect(failure.description.hasSuffix("(x: 2024)"))
        #expect(SlurmCall.failure("x", changes: false, number: 0).description == "no reason given (x)")
    }

    @Test(
        arguments: [
            (0, 5, 0), (-1, 2017, 2017), (-1, 0, 0), (2024, 0, 2024), (2024, 1900, 1900), (1, 0, 1),
        ] as [(CInt, Int32, Int32)])
    func readsTheNumber(_ result: CInt, _ errorNumber: Int32, _ expected: Int32) {
        let seen = SlurmCall.observe {
            errno = errorNumber
            return result
        }
        #expect(seen.result == result)
        #expect(seen.number == expected)
    }

    @Test func anOldErrorNumberDoesNotCount() {
        errno = 2017
        #expect(SlurmCall.observe { -1 }.number == 0)
    }

    @Test func checkThrowsOnlyForFailures() throws {
        try SlurmCall.check("x") { 0 }
        let error = #expect(throws: SlurmError.self) { try SlurmCall.check("x") { 2017 } }
        #expect(error?.code == .notFound)
    }

    @Test(
        arguments: [
            ("", ""),
            ("\n\n", ""),
            ("slurm-grid-agent: error: Unable to contact", "Unable to contact"),
            ("error: a\nerror: b\n", "a; b"),
            ("error: a\nerror: a\n", "a"),
            ("a\r\nb", "a; b"),
            ("fatal: error: x: y", "x: y"),
            ("exe: fatal: Unable to process configuration file", "Unable to process configuration file"),
            ("error: ", ""),
            ("slurm_load_jobs: it failed", "slurm_load_jobs: it failed"),
            ("x: error: y", "x: error: y"),
        ])
    func tidies(_ text: String, _ line: String) {
        #expect(SlurmCall.tidy(text) == line)
    }
}
