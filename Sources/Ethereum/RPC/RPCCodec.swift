// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials

/// A method and its parameters.
public struct RPCCall: Hashable, Sendable {
    public var method: String
    public var parameters: [JSONValue]

    public init(_ method: String, _ parameters: [JSONValue] = []) {
        self.method = method
        self.parameters = parameters
    }
}

/// JSON-RPC 2.0, without I/O.
public enum RPCCodec {
    private struct Question: Encodable {
        var jsonrpc = "2.0"
        var id: Int64
        var method: String
        var params: [JSONValue]
    }

    /// One call as an object, more as a batch. Their ids count up from `firstID`.
    public static func encode(_ calls: [RPCCall], firstID: Int64) -> [UInt8] {
        let questions = calls.enumerated().map { index, call in
            Question(id: firstID + Int64(index), method: call.method, params: call.parameters)
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
        // Strings and numbers that are finite can always be encoded.
        let json = questions.count == 1 ? try? encoder.encode(questions[0]) : try? encoder.encode(questions)
        return json.map(Array.init) ?? []
    }

    /// What each call was answered, in the order of the calls; a batch's answers may come in any.
    ///
    /// Throws when the whole is of no use: not JSON, a single error for all, an id that was not asked.
    public static func decode(_ body: [UInt8], count: Int, firstID: Int64) throws(RPCError) -> [Result<
        JSONValue, RPCError
    >] {
        try decodeSparse(body, count: count, firstID: firstID).map {
            $0 ?? .failure(RPCError(.malformed, "the batch's answer leaves this call out"))
        }
    }

    /// The same; nil for a call that the answer leaves out.
    static func decodeSparse(_ body: [UInt8], count: Int, firstID: Int64) throws(RPCError) -> [Result<
        JSONValue, RPCError
    >?] {
        let document = try parse(body)
        let answers: [JSONValue]
        switch document {
        case .array(let several) where count > 1: answers = several
        case .object(let one) where count == 1 || one["result"] == nil && one["error"] != nil: answers = [document]
        // One answer for the whole batch: the first call's, in nodes that take no batches.
        case .object where count > 1: throw RPCError(.refused(.batchTooLarge), "the node answers one call of a batch")
        default: throw RPCError(.malformed, "the answer is no JSON-RPC answer")
        }
        var results = [Result<JSONValue, RPCError>?](repeating: nil, count: count)
        for answer in answers {
            let result = try result(of: answer)
            guard let id = answer["id"]?.integer else {
                // A request that could not be read is answered without its id: it is about all of them.
                if case .failure(let error) = result, answer["id"]?.isNull != false { throw error }
                throw RPCError(.malformed, "an answer without id")
            }
            guard id >= firstID, id - firstID < Int64(count) else {
                throw RPCError(.malformed, "an answer to id \(id), which was not asked")
            }
            let index = Int(id - firstID)
            guard results[index] == nil else { throw RPCError(.malformed, "two answers to id \(id)") }
            results[index] = result
        }
        return results
    }

    private static func parse(_ body: [UInt8]) throws(RPCError) -> JSONValue {
        do throws(JSONParser.Failure) {
            return try JSONValue(parsing: body)
        } catch {
            switch error.reason {
            case .tooMany: throw RPCError(.tooLarge, "the answer holds more values than are taken")
            case .tooDeep: throw RPCError(.malformed, "the answer is nested too deeply")
            case .malformed:
                let start = String(decoding: body.prefix(80), as: UTF8.self)
                throw RPCError(.malformed, body.isEmpty ? "the node answered with nothing" : "no JSON: \"\(start)\"")
            }
        }
    }

    /// Whether the bytes are JSON-RPC: nodes and what stands before them also answer with pages and objects of their own.
    static func isAnswer(_ body: [UInt8]) -> Bool {
        guard let document = try? parse(body) else { return false }
        let first = document.array?.first ?? document
        if first["result"] != nil, first["id"] != nil { return true }
        guard let error = first["error"] else { return false }
        return first["id"] != nil || first["jsonrpc"] != nil || error["code"]?.integer != nil
    }

    private static func result(of answer: JSONValue) throws(RPCError) -> Result<JSONValue, RPCError> {
        guard case .object(let fields) = answer else { throw RPCError(.malformed, "the answer is no JSON-RPC answer") }
        if let error = fields["error"], !error.isNull { return .failure(RPCError(node: error)) }
        guard let result = fields["result"] else {
            throw RPCError(.malformed, "an answer with neither result nor error")
        }
        return .success(result)
    }

    /// The error in a WebSocket's answer to one of so many calls; nil for everything else. Only short messages are looked
    /// into: what tells of a block or a log is longer, and its content is asked for by HTTP.
    static func refusal(_ message: [UInt8], count: Int64) -> RPCError? {
        guard message.count <= 2048, let document = try? parse(message), let error = document["error"], !error.isNull,
            document["id"].map({ $0.isNull || (1...count).contains($0.integer ?? 0) }) ?? true
        else { return nil }
        return RPCError(node: error)
    }
}
