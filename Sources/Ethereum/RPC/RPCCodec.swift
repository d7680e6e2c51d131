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
        let document: JSONValue
        do {
            document = try JSONDecoder().decode(JSONValue.self, from: Data(body))
        } catch {
            let start = String(decoding: body.prefix(80), as: UTF8.self)
            throw RPCError(.malformed, body.isEmpty ? "the node answered with nothing" : "no JSON: \"\(start)\"")
        }
        let answers: [JSONValue]
        switch document {
        case .array(let several) where count > 1: answers = several
        case .object(let one) where count == 1 || one["result"] == nil && one["error"] != nil: answers = [document]
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
        return results.map { $0 ?? .failure(RPCError(.malformed, "the batch's answer leaves this call out")) }
    }

    private static func result(of answer: JSONValue) throws(RPCError) -> Result<JSONValue, RPCError> {
        guard case .object(let fields) = answer else { throw RPCError(.malformed, "the answer is no JSON-RPC answer") }
        if let error = fields["error"], !error.isNull { return .failure(RPCError(node: error)) }
        guard let result = fields["result"] else {
            throw RPCError(.malformed, "an answer with neither result nor error")
        }
        return .success(result)
    }

    /// A message of a subscription; nil for every other one.
    public static func notification(_ message: [UInt8]) -> (subscription: String, result: JSONValue)? {
        guard let document = try? JSONDecoder().decode(JSONValue.self, from: Data(message)),
            document["method"]?.text == "eth_subscription", let parameters = document["params"],
            let subscription = parameters["subscription"]?.text, let result = parameters["result"]
        else { return nil }
        return (subscription, result)
    }
}
