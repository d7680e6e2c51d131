// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import NIOConcurrencyHelpers

/// What slurmdbd knows of jobs, also long after slurmctld has forgotten them.
///
/// Each question runs in a short-lived helper process with a deadline: Slurm's slurmdbd plugin ends the process that
/// asks when slurmdbd dies at the wrong moment, and a hung slurmdbd blocks for 45 s and more. The deadline is on progress: a
/// long answer may take its time as long as rows come. A cluster without slurmdbd is a normal state: `accountingUnavailable`.
public struct SlurmAccounting: Sendable {
    /// slurm.conf; nil: what libslurm finds.
    public var configurationFile: String?
    /// How long nothing may come: no connection, or no further row. Default 20 s.
    public var timeout: Duration
    public var helper: SlurmHelper.Program
    var clock: any Clock<Duration> = ContinuousClock()

    public init(
        configurationFile: String? = nil, timeout: Duration = .seconds(20),
        helper: SlurmHelper.Program = .current
    ) {
        self.configurationFile = configurationFile
        self.timeout = timeout
        self.helper = helper
    }

    /// All runs of these jobs, submitted within the given Unix seconds (both inclusive).
    ///
    /// - Throws: `notAuthoritative` when nothing was found and slurmdbd may hide jobs from this user: an empty answer
    ///   is one only from who may see all. `accountingUnavailable` when slurmdbd is absent or does not answer.
    public func jobs(
        _ ids: [UInt32], submitted window: ClosedRange<Int64>? = nil
    ) async throws(SlurmError) -> AccountingAnswer {
        guard !ids.isEmpty else { return AccountingAnswer(jobs: [], isAuthoritative: true) }
        return try await ask(
            AccountingQuery(ids: ids, submittedFrom: window?.lowerBound, submittedTo: window?.upperBound))
    }

    /// All runs that ended at or after this time (Unix seconds). One that is not ``AccountingJob/isWhole`` is among them only
    /// 20 s after its end: by then it is whole, or never will be.
    /// - Throws: as ``jobs(_:submitted:)``.
    public func jobs(endedSince time: Int64) async throws(SlurmError) -> AccountingAnswer {
        try await ask(AccountingQuery(endedSince: time))
    }

    /// All runs that ended within these Unix seconds (both inclusive); else as ``jobs(endedSince:)``.
    /// - Throws: as ``jobs(_:submitted:)``.
    public func jobs(endedIn window: ClosedRange<Int64>) async throws(SlurmError) -> AccountingAnswer {
        try await ask(AccountingQuery(endedSince: window.lowerBound, endedUntil: window.upperBound))
    }

    /// All runs submitted at or after this time (Unix seconds), if wanted only of jobs with this name.
    /// - Throws: as ``jobs(_:submitted:)``.
    public func jobs(submittedSince time: Int64, named name: String? = nil) async throws(SlurmError) -> AccountingAnswer
    {
        try await ask(AccountingQuery(submittedFrom: time, name: name))
    }

    /// - Parameter beforeQuery: runs while the helper holds its connection and waits for the question; tests kill
    ///   slurmdbd there.
    func ask(
        _ query: AccountingQuery, beforeQuery: @escaping @Sendable () async -> Void = {}
    ) async throws(SlurmError) -> AccountingAnswer {
        let collected = Collector()
        let question: String
        do {
            question = String(decoding: try JSONEncoder().encode(query), as: UTF8.self)
        } catch {
            throw SlurmError(.invalidRequest, "the question cannot be written as JSON: \(error)")
        }
        let result = try await HelperProcess(
            program: helper, task: .accounting, configurationFile: configurationFile, clock: clock
        ).run(silence: timeout) { line, send in
            guard let parsed = try? JSONDecoder().decode(AccountingLine.self, from: Data(line.utf8)) else { return }
            if case .ready = parsed {
                await beforeQuery()
                try await send(question)
            } else {
                collected.take(parsed)
            }
        }
        return try collected.answer(result, timeout: timeout)
    }

    private final class Collector: Sendable {
        private struct State {
            var jobs: [AccountingJob] = []
            var end: (count: Int, authoritative: Bool)?
            var failure: SlurmError?
        }

        private let state = NIOLockedValueBox(State())

        func take(_ line: AccountingLine) {
            state.withLockedValue { state in
                switch line {
                case .ready: break
                case .job(let job): state.jobs.append(job)
                case .end(let count, let authoritative): state.end = (count, authoritative)
                case .failed(let code, let message, let number, let call):
                    let code: SlurmError.Code =
                        code == SlurmError.Code.accountingUnavailable.description ? .accountingUnavailable : .unexpected
                    state.failure = SlurmError(code, message, number: number, call: call.isEmpty ? nil : call)
                }
            }
        }

        /// Only rows followed by their count are an answer; anything else is "don't know".
        func answer(_ result: HelperProcess.Result, timeout: Duration) throws(SlurmError) -> AccountingAnswer {
            let state = state.withLockedValue { $0 }
            if let failure = state.failure { throw failure }
            guard let end = state.end, end.count == state.jobs.count else {
                let why =
                    switch result.ending {
                    case .timedOut where state.jobs.isEmpty: "it did not answer within \(timeout)"
                    case .timedOut: "after \(state.jobs.count) rows nothing more came for \(timeout)"
                    default: "the connection ended early (helper: \(result.ending))"
                    }
                throw SlurmError(
                    .accountingUnavailable,
                    "slurmdbd: \(why)\(result.said.isEmpty ? "" : ": \(result.said)"); look at slurmdbd's log",
                    call: "slurmdb_jobs_get")
            }
            if state.jobs.isEmpty && !end.authoritative {
                throw SlurmError(
                    .notAuthoritative,
                    "slurmdbd shows this user no such job, but hides other users' jobs from it (PrivateData); run as "
                        + "SlurmUser or give the user AdminLevel=Operator")
            }
            return AccountingAnswer(jobs: state.jobs, isAuthoritative: end.authoritative)
        }
    }
}
