// SPDX-License-Identifier: GPL-3.0-or-later

/// Every answer, from who may ask to what is said. Reads the body only where a call has one.
struct Dispatcher: Sendable {
    /// Of a body. A script of 4 MiB, the most that slurmctld takes unless told otherwise, is 5.6 MiB in base64.
    static let bodyLimit = 8 << 20
    static let targetLimit = 8 << 10

    let handler: any CallHandler
    let access: ServerAccess
    /// nil: nothing is recorded.
    var recorder: DialogueRecorder?

    /// - Parameter body: nil: there is more than the limit.
    func answer(_ request: CallRequest, body: () async throws -> [UInt8]?) async throws -> Answer {
        guard access.allows(request.authorization) else { return .unauthorized }
        guard request.target.utf8.count <= Self.targetLimit else { return Answer(414) }
        let route: Route
        switch Route.match(
            method: request.method, target: request.target, host: request.host, scheme: request.scheme)
        {
        case .answer(let answer): return answer
        case .route(let found, hasBody: false):
            let answer = await shown(found)
            recorder?.take(request, found, nil, answer)
            return answer
        case .route(let found, hasBody: true): route = found
        }
        let (args, answer) = try await posted(route, request, body)
        recorder?.take(request, route, args, answer)
        return answer
    }

    /// - Returns: what it has brought, as far as it could be read, and what is answered.
    private func posted(
        _ route: Route, _ request: CallRequest, _ body: () async throws -> [UInt8]?
    ) async throws -> (JSONValue?, Answer) {
        // Whatever it brings.
        if route == .online { return (nil, Answer(.yes)) }
        if let length = request.contentLength, length > Self.bodyLimit { return (nil, .tooLarge) }
        guard let bytes = try await body() else { return (nil, .tooLarge) }
        var args: JSONValue?
        do {
            let read = try Self.arguments(request.contentType, bytes)
            args = read
            return (args, try await posted(route, read))
        } catch let error as JarviceError {
            return (args, .failed(error.message))
        } catch let error as FormBody.Malformed {
            return (args, error.isTooLarge ? .tooLarge : .failed(error.description))
        }
    }

    private static func arguments(_ type: String?, _ body: [UInt8]) throws -> JSONValue {
        guard let text = try FormBody.field("args", contentType: type, body: body) else {
            throw JarviceError(.refused, "the form has no field args")
        }
        do {
            return try JSONValue(parsing: text.utf8)
        } catch {
            throw JarviceError(.refused, "args is not JSON: \(error)")
        }
    }

    private func shown(_ route: Route) async -> Answer {
        do {
            switch route {
            case .live: return Answer(JSONText(["status": JSONText("OK")]))
            case .gc:
                let isUp = await handler.isUp()
                return Answer(JSONText(["status": JSONText(isUp ? "OK" : "BAD")]), status: isUp ? 200 : 500)
            case .nodes: return Answer(200, "true")
            case .running: return Answer(200, type: Answer.json, try await handler.running())
            case .queued: return Answer(200, type: Answer.json, try await handler.queued())
            default: return .notFound
            }
        } catch {
            return .failed(error.message)
        }
    }

    private func posted(_ route: Route, _ args: JSONValue) async throws -> Answer {
        switch route {
        case .submit: return Answer(try await handler.submit(args))
        case .runstatus: return Answer(try await handler.runStatus(try NamedJob(args)))
        case .exitstatus: return Answer(try await handler.exitStatus(try NamedJob(args)))
        case .terminate:
            try await handler.terminate(try NamedJob(args))
            return Answer(.yes)
        case .release:
            try await handler.release(try NamedJob(args))
            return Answer(.yes)
        case .events: return Answer(JSONText(PythonText.stripEnd(try await handler.events(try NamedJob(args)))))
        case .request(let path): return try await requested(path, args)
        default: return .notFound
        }
    }

    // MARK: /request

    private func requested(_ path: String, _ args: JSONValue) async throws -> Answer {
        guard case .object? = args["qs"] else { throw JarviceError(.refused, "args has no object qs") }
        let forms = handler.requestForms
        if forms.listsDirectories, path == "pvcls" || path == "pvcls/" {
            return try await listed(args)
        }
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        if forms.takesThreeParts, parts.count == 3 { return Answer(200) }
        guard parts.count == 4 else { return Answer(400) }
        let job = NamedJob(name: parts[0], number: parts[1], jobID: parts[2])
        switch parts[3] {
        case "shutdown", "abort":
            try await handler.terminate(job)
            return Answer(200)
        case "info":
            let url = try await handler.url(job) ?? ""
            return Answer(
                JSONText(["about": JSONText(""), "actions": JSONText([:]), "help": JSONText(""), "url": JSONText(url)]))
        case "tail":
            guard let text = try await handler.tail(job, lines: Self.lines(args["qs"])), !text.isEmpty else {
                return Answer(404)
            }
            return Answer(200, text)
        default: return Answer(200)
        }
    }

    private func listed(_ args: JSONValue) async throws -> Answer {
        func first(_ key: String) throws(JarviceError) -> String? {
            switch args["qs"]?[key] {
            case .array(let values)?:
                guard let value = values.first?.string else { throw JarviceError(.refused, "qs.\(key) has no text") }
                return value
            // As the reference has it: by the letter.
            case .string(let text)?:
                guard let letter = text.first else { throw JarviceError(.refused, "qs.\(key) is empty") }
                return String(letter)
            default: return nil
            }
        }
        let path = try first("path") ?? "."
        let details = try first("details")?.lowercased() == "true"
        switch try await handler.list(path, details: details, bearer: args["bearer"]?.string) {
        case .entries(let text) where !text.isEmpty: return Answer(200, text)
        case .entries: return Answer(401)
        case .nothing(let why): return Answer(401, why.map { "/usr/bin/find: '\(path)': \($0)" } ?? "")
        }
    }

    /// As the reference reads them: what is not a number, or less than two, is a hundred.
    static func lines(_ qs: JSONValue?) -> Int {
        guard case .array(let values)? = qs?["lines"], let first = values.first else { return 100 }
        let number = first.integer ?? first.string.flatMap(PythonText.integer) ?? 100
        return number > 1 ? min(number, FileRequest.lineLimit) : 100
    }
}
