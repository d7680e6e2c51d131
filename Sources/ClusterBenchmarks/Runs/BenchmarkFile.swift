// SPDX-License-Identifier: GPL-3.0-or-later

public import FoundationEssentials
package import GRDB
internal import JobLifecycle
package import Persistence
package import Support

/// `benchmark.sqlite`: every run, its parts, what they measured.
public struct BenchmarkFile: Sendable {
    package let path: String
    package let queue: DatabaseQueue
    package let gate = ClosingGate()
    private let now: @Sendable () -> Int64

    /// - Parameters:
    ///   - trace: called with each statement.
    ///   - onSetAside: a damaged file was renamed, and a new one made: where it lies, and what was wrong.
    public static func open(
        path: String, now: @escaping @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970) },
        trace: (@Sendable (String) -> Void)? = nil, onSetAside: (String, String) -> Void = { _, _ in }
    ) throws(BenchmarkError) -> BenchmarkFile {
        do {
            var file = DatabaseFile(path: path, label: "benchmark", steps: BenchmarkSchema.steps)
            if let trace {
                file.configuration.prepareDatabase { database in
                    database.trace { event in
                        if case .statement(let statement) = event { trace(statement.sql) }
                    }
                }
            }
            let opened = try file.openOrSetAside(now: Date()) { try DatabaseQueue(path: $0, configuration: $1) }
            if let aside = opened.setAside { onSetAside(aside.aside, aside.reason) }
            return BenchmarkFile(path: path, queue: opened.writer, now: now)
        } catch {
            throw translate(error, path: path)
        }
    }

    private init(path: String, queue: DatabaseQueue, now: @escaping @Sendable () -> Int64) {
        self.path = path
        self.queue = queue
        self.now = now
    }

    /// Once what is under way is done; all else throws from now on.
    public func close() { closeFile() }

    // MARK: a run begins

    struct NewPart: Sendable {
        var part: BenchmarkPart
        var hardware: String
        /// nil: skipped, and the reason.
        var job: (request: [UInt8], userID: UInt32, output: String)?
        /// By which its job posts; nil: its output is read.
        var post: Int64?
        /// It posts by its comment.
        var usesComments = false
        var reason: String?
    }

    /// - Parameter parts: made of the run's number, which is part of names.
    /// - Throws: `configuration` when there is an open one.
    func begin(token: String, _ parts: @escaping @Sendable (Int64) throws -> [NewPart]) async throws(BenchmarkError)
        -> Int64
    {
        let time = now()
        let id = try await write { database -> Int64? in
            guard try Int.fetchOne(database, sql: "SELECT count(*) FROM runs WHERE ended_at IS NULL") == 0 else {
                return nil
            }
            try database.execute(sql: "INSERT INTO runs (token, begun_at) VALUES (?, ?)", arguments: [token, time])
            let run = database.lastInsertedRowID
            for part in try parts(run) {
                try database.execute(
                    sql: """
                        INSERT INTO parts (run, part, hardware, state, request, user_id, output, message, ended_at, post)
                        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                        """,
                    arguments: [
                        run, part.part.rawValue, part.hardware, part.job == nil ? "skipped" : "planned",
                        part.job.map { Data($0.request) }, part.job?.userID, part.job?.output, part.reason,
                        part.job == nil ? time : nil, part.post,
                    ])
                if part.usesComments {
                    try database.execute(
                        sql: "INSERT INTO transfers (part) VALUES (?)", arguments: [database.lastInsertedRowID])
                }
            }
            return run
        }
        guard let id else {
            throw BenchmarkError(
                .configuration, "a benchmark is under way: `slurm-grid-agent benchmark show`, or `… benchmark cancel`")
        }
        return id
    }

    // MARK: it goes on

    struct OpenPart: Sendable {
        var id: Int64
        var run: Int64
        var token: String
        var part: BenchmarkPart
        var hardware: String
        var state: BenchmarkRun.Part.State
        var request: [UInt8]
        var userID: UInt32
        var output: String
        /// Its job posts.
        var isPosted: Bool
        /// By its comment.
        var usesComments: Bool
        var isStarted: Bool
        var jobID: UInt32?
        var jobState: String?
        var message: String?
        var isCancelled: Bool

        /// With a part of the token: the numbers begin again when the file is lost.
        var externalID: String { "run-\(run)-\(token.prefix(BenchmarkFile.tokenPart))/\(id)" }
    }

    private static let tokenPart = 16

    /// Of the open run the parts that are not over, in their order; nil: there is no open run.
    func open() async throws(BenchmarkError) -> (run: Int64, parts: [OpenPart])? {
        try await read { database in
            guard
                let run = try Row.fetchOne(
                    database,
                    sql:
                        "SELECT id, token, cancelled FROM runs INDEXED BY runs_open WHERE ended_at IS NULL ORDER BY id LIMIT 1"
                )
            else { return nil }
            let id: Int64 = run[0]
            let parts = try Row.fetchAll(
                database,
                sql: """
                    SELECT id, part, hardware, state, request, user_id, output, job_id, job_state, message, post,
                        started_at IS NOT NULL, EXISTS (SELECT 1 FROM transfers t WHERE t.part = parts.id)
                    FROM parts
                    WHERE run = ? AND state IN ('planned', 'submitted', 'ended') ORDER BY id
                    """,
                arguments: [id]
            ).compactMap { row -> OpenPart? in
                guard let part = BenchmarkPart(rawValue: row[1]), let state = BenchmarkRun.Part.State(rawValue: row[3])
                else { return nil }
                let request: Data? = row[4]
                return OpenPart(
                    id: row[0], run: id, token: run[1], part: part, hardware: row[2], state: state,
                    request: request.map { Array($0) } ?? [], userID: row[5] ?? 0, output: row[6] ?? "",
                    isPosted: row[10] as Int64? != nil, usesComments: row[12], isStarted: row[11], jobID: row[7],
                    jobState: row[8], message: row[9], isCancelled: run[2])
            }
            return (id, parts)
        }
    }

    func noteSubmitted(_ part: Int64) async throws(BenchmarkError) {
        let time = now()
        try await write {
            try $0.execute(
                sql: "UPDATE parts SET state = 'submitted', submitted_at = ? WHERE id = ? AND state = 'planned'",
                arguments: [time, part])
        }
    }

    /// What the ledger told; an older or repeated transition changes nothing.
    func note(_ transitions: [JobTransition]) async throws(BenchmarkError) {
        let time = now()
        try await write { database in
            for one in transitions {
                guard let (id, token) = Self.part(of: one) else { continue }
                try database.execute(
                    sql: """
                        UPDATE parts SET sequence = ?1, job_id = coalesce(?2, job_id), started_at = coalesce(?3, started_at),
                            submitted_at = coalesce(submitted_at, ?7),
                            job_state = CASE WHEN ?4 THEN coalesce(?5, job_state) ELSE job_state END,
                            message = CASE WHEN ?4 THEN coalesce(?6, message) ELSE message END,
                            ended_at = CASE WHEN ?4 THEN coalesce(?8, ?7) ELSE ended_at END,
                            state = CASE WHEN ?4 THEN 'ended' ELSE 'submitted' END
                        WHERE id = ?9 AND sequence < ?1 AND state IN ('planned', 'submitted')
                            AND (SELECT substr(r.token, 1, ?11) FROM runs r WHERE r.id = parts.run) = ?10
                        """,
                    arguments: [
                        one.sequence, one.jobID, one.startTime, one.isFinal,
                        one.kind == .ended ? one.state?.rawValue : one.kind.rawValue, Self.message(of: one), time,
                        one.endTime,
                        id, token,
                        Self.tokenPart,
                    ])
            }
        }
    }

    private static func message(of transition: JobTransition) -> String? {
        switch transition.exitCode {
        case BenchmarkScript.cannotWrite:
            "the job could not write to benchmark.result-folder, or where it works: is its disk full, and is it the job's user's?"
        case BenchmarkScript.cannotPost: "the job could not post all of its results to public-address"
        case BenchmarkScript.cannotComment:
            "the job could not leave all of its results in its comment: was the agent away, or is it too much?"
        case BenchmarkScript.lacksClients:
            "there is no scontrol, squeue or gzip on the node: the job cannot leave its results in its comment"
        case BenchmarkScript.lacksCurl: "there is no curl on the node: the job cannot post its results"
        default: transition.message
        }
    }

    private static func part(of transition: JobTransition) -> (id: Int64, token: String)? {
        guard transition.gateway == BenchmarkRunner.gatewayName,
            let names = transition.externalID?.split(separator: "/"), names.count == 2, let id = Int64(names[1]),
            let token = names[0].split(separator: "-").last
        else { return nil }
        return (id, String(token))
    }

    func finish(
        _ part: Int64, _ state: BenchmarkRun.Part.State, labels: [String: String] = [:], raw: [String: String] = [:],
        message: String?
    ) async throws(BenchmarkError) {
        let time = now()
        try await write { database in
            try database.execute(
                sql: """
                    UPDATE parts SET state = ?, message = ?, ended_at = coalesce(ended_at, ?), request = NULL
                    WHERE id = ? AND state IN ('planned', 'submitted', 'ended')
                    """,
                arguments: [state.rawValue, message, time, part])
            guard database.changesCount > 0 else { return }
            for (key, value) in labels {
                try database.execute(
                    sql: "INSERT INTO labels VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
                    arguments: [part, key, value])
            }
            try Self.keep(raw, of: part, database)
        }
    }

    /// No part of it is open any more.
    func end(run: Int64) async throws(BenchmarkError) {
        let time = now()
        try await write {
            try $0.execute(
                sql: "UPDATE runs SET ended_at = ? WHERE id = ? AND ended_at IS NULL", arguments: [time, run])
        }
    }

    /// - Returns: the run that is to end; nil: there is none.
    func cancel() async throws(BenchmarkError) -> Int64? {
        try await write { database in
            guard
                let run = try Int64.fetchOne(
                    database, sql: "SELECT id FROM runs INDEXED BY runs_open WHERE ended_at IS NULL")
            else { return nil }
            try database.execute(sql: "UPDATE runs SET cancelled = 1 WHERE id = ?", arguments: [run])
            return run
        }
    }
}

extension BenchmarkFile: DatabaseStore {
    package static func failure(_ fault: DatabaseFault) -> BenchmarkError { BenchmarkError(.storage, fault.words) }
}
