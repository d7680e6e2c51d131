// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import NIOConcurrencyHelpers

/// The reference's dummy connector, for demonstrations of an upstream: jobs are names that wait, run and end by the clock. Nothing
/// is asked of Slurm, tokens and scripts are not looked at, and a restart forgets them.
public final class DummyConnector: Sendable {
    public struct Settings: Sendable, Equatable {
        /// Seconds that a job waits, and that it runs.
        public var queued = 5
        public var running = 10
        /// How many of a hundred fail.
        public var failingPercent = 50
        /// Jobs have a page, on this host's port 8080.
        public var isInteractive = false

        public init() {}
    }

    private struct Job {
        var name: String
        var id: String
        var submittedAt: Int64
    }

    private let settings: Settings
    private let now: @Sendable () -> Int64
    /// 0…100.
    private let chance: @Sendable () -> Int
    private let jobs = NIOLockedValueBox<[Job]>([])
    /// The oldest go.
    private static let limit = 10_000

    public convenience init(_ settings: Settings) {
        self.init(
            settings, now: { Int64(Date().timeIntervalSince1970) }, chance: { Int.random(in: 0...100) })
    }

    init(_ settings: Settings, now: @escaping @Sendable () -> Int64, chance: @escaping @Sendable () -> Int) {
        self.settings = settings
        self.now = now
        self.chance = chance
    }

    private func list(_ isListed: (Int64) -> Bool) -> String {
        let time = now()
        let names = jobs.withLockedValue { $0 }.filter { isListed(time - $0.submittedAt) }.map {
            JSONText([JSONText($0.name), JSONText($0.id)])
        }
        return JSONText(names).text + "\n"
    }

    /// `0:00:15`, as Python prints a duration.
    static func duration(_ seconds: Int64) -> String {
        func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let days = seconds / 86_400
        let words = days == 0 ? "" : days == 1 ? "1 day, " : "\(days) days, "
        return "\(words)\(seconds / 3600 % 24):\(two(seconds / 60 % 60)):\(two(seconds % 60))"
    }

    private static func logs(of name: String) -> String {
        """

        Logs for job \(name)

        Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore
        magna aliqua. Ut enim ad minim veniam, quis nostrud exercitation ullamco laboris nisi ut aliquip ex ea commodo
        consequat.
        """
    }
}

extension DummyConnector: CallHandler {
    var requestForms: RequestForms { RequestForms(takesThreeParts: true, listsDirectories: false) }

    func isUp() async -> Bool { true }

    func running() async throws(JarviceError) -> String {
        let (begin, end) = (Int64(settings.queued), Int64(settings.queued) + Int64(settings.running))
        return list { begin < $0 && $0 < end }
    }

    func queued() async throws(JarviceError) -> String { list { $0 < settings.queued } }

    func submit(_ args: JSONValue) async throws(JarviceError) -> JSONText {
        guard let name = args["name"]?.pythonText, let number = args["number"]?.pythonText else {
            throw JarviceError(.refused, "args has no name, or no number")
        }
        let job = Job(name: name, id: "dummy_\(number)", submittedAt: now())
        jobs.withLockedValue { jobs in
            jobs.append(job)
            jobs.removeFirst(max(0, jobs.count - Self.limit))
        }
        let values = [name, number, job.id, "\(job.submittedAt)"].map { JSONValue.string($0).pythonLiteral }
        return JSONText([JSONText(job.id), JSONText("INSERT INTO jobs VALUES (\(values.joined(separator: ", ")))")])
    }

    func runStatus(_ job: NamedJob) async throws(JarviceError) -> JSONText {
        guard let found = jobs.withLockedValue({ $0.first { $0.name == job.name } }) else {
            throw JarviceError(.unknownJob, "there is no job of that name")
        }
        return JSONText([
            JSONText("sqlite3_dummy"), JSONText(Self.duration(max(0, now() - found.submittedAt))),
            JSONText("\(job.name)/\(job.number)/\(job.jobID)"), .null,
        ])
    }

    func exitStatus(_ job: NamedJob) async throws(JarviceError) -> JSONText {
        jobs.withLockedValue { $0.removeAll { $0.name == job.name } }
        let isFailed = chance() < settings.failingPercent
        let duration = Self.duration(Int64(settings.queued) + Int64(settings.running))
        return JSONText([
            JSONText(isFailed ? 1 : 0), JSONText(duration),
            JSONText([
                JSONText("This is job \(job.name)\nAnd I runned for \(duration)"),
                JSONText(
                    "<< termination state: \(isFailed ? "ERROR" : "COMPLETED") -- see STDOUT for job errors if any >>"),
            ]),
        ])
    }

    func terminate(_ job: NamedJob) async throws(JarviceError) {}

    func release(_ job: NamedJob) async throws(JarviceError) {}

    func events(_ job: NamedJob) async throws(JarviceError) -> String {
        "This is events for job \(job.name) \n Nothing to say, everything is ok."
    }

    func list(_ path: String, details: Bool, bearer: String?) async throws(JarviceError) -> FileListing {
        .nothing(nil)
    }

    func url(_ job: NamedJob) async throws(JarviceError) -> String? {
        settings.isInteractive ? "http://localhost:8080" : nil
    }

    func tail(_ job: NamedJob, lines: Int) async throws(JarviceError) -> String? { Self.logs(of: job.name) }
}
