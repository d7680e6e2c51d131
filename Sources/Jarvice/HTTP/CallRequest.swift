// SPDX-License-Identifier: GPL-3.0-or-later

/// What of a request matters.
struct CallRequest: Sendable {
    var method: String
    /// The path as it was sent, with its query.
    var target: String
    var host = "localhost"
    var scheme = "http"
    var authorization: String?
    var contentType: String?
    var contentLength: Int?
}

/// Whoever does what is called.
protocol CallHandler: Sendable {
    var requestForms: RequestForms { get }
    func isUp() async -> Bool
    func running() async throws(JarviceError) -> String
    func queued() async throws(JarviceError) -> String
    func submit(_ args: JSONValue) async throws(JarviceError) -> JSONText
    func runStatus(_ job: NamedJob) async throws(JarviceError) -> JSONText
    func exitStatus(_ job: NamedJob) async throws(JarviceError) -> JSONText
    func terminate(_ job: NamedJob) async throws(JarviceError)
    func release(_ job: NamedJob) async throws(JarviceError)
    func events(_ job: NamedJob) async throws(JarviceError) -> String
    /// - Parameter bearer: of the call, where it has one.
    func list(_ path: String, details: Bool, bearer: String?) async throws(JarviceError) -> FileListing
    /// Where the page of an interactive job is; nil: there is none now.
    func url(_ job: NamedJob) async throws(JarviceError) -> String?
    /// nil: there is nothing to show.
    func tail(_ job: NamedJob, lines: Int) async throws(JarviceError) -> String?
}

extension CallHandler {
    var requestForms: RequestForms { RequestForms() }
}

/// Which paths below `/request/` there are.
struct RequestForms: Sendable, Equatable {
    /// A job without a method is an empty answer.
    var takesThreeParts = false
    /// `pvcls`.
    var listsDirectories = true
}

/// How upstream names a job. Only the id selects one.
struct NamedJob: Sendable, Equatable {
    var name: String
    var number: String
    var jobID: String

    init(name: String, number: String, jobID: String) {
        self.name = name
        self.number = number
        self.jobID = jobID
    }

    init(_ args: JSONValue) throws(JarviceError) {
        func member(_ key: String) throws(JarviceError) -> JSONValue {
            guard let value = args[key] else { throw JarviceError(.refused, "args has no \(key)") }
            return value
        }
        name = try member("name").pythonText
        number = try member("number").pythonText
        guard let id = try member("jobid").string else { throw JarviceError(.refused, "jobid is not a text") }
        jobID = id
    }
}
