// SPDX-License-Identifier: GPL-3.0-or-later

public import Ethereum

/// Reads the contracts' state, several questions in one request.
public struct ContractReader: Sendable {
    let client: RPCClient

    public init(client: RPCClient) {
        self.client = client
    }

    struct Question {
        var function: ABIFunction
        var arguments: [ABIValue]
        var contract: Address
        var sender: Address?

        init(_ function: ABIFunction, _ arguments: [ABIValue], at contract: Address, from sender: Address? = nil) {
            self.function = function
            self.arguments = arguments
            self.contract = contract
            self.sender = sender
        }
    }

    /// One answer for each question, all of one node. Throws when no node answers.
    /// Always of the newest state: nodes keep few others.
    func ask(_ questions: [Question]) async throws(GridError) -> [Result<[ABIValue], GridError>] {
        let calls = try Self.calls(questions)
        do throws(RPCError) {
            return Self.read(questions, try await client.batch(calls).results[...])
        } catch {
            throw GridError(.unavailable, "the chain: \(error)")
        }
    }

    /// The same, with the block whose state or a later one's it is.
    func askWithBlock(
        _ questions: [Question]
    ) async throws(GridError) -> (words: [Result<[ABIValue], GridError>], block: UInt64) {
        let calls = try Self.calls(questions)
        let answers: RPCClient.Answers
        let block: UInt64?
        do throws(RPCError) {
            answers = try await client.batch([RPCCall("eth_blockNumber")] + calls)
            block = try answers.value(0).text.flatMap(Quantity.decode53)
        } catch {
            throw GridError(.unavailable, "the chain: \(error)")
        }
        guard let block else { throw GridError(.malformed, "the chain: eth_blockNumber gives no number") }
        return (Self.read(questions, answers.results.dropFirst()), block)
    }

    private static func calls(_ questions: [Question]) throws(GridError) -> [RPCCall] {
        var calls: [RPCCall] = []
        for question in questions {
            let data: [UInt8]
            do {
                data = try question.function.call(question.arguments)
            } catch {
                throw GridError(.malformed, "\(question.function.signature): \(error)")
            }
            var fields: [String: JSONValue] = [
                "to": .string(question.contract.hex), "data": .string(Hex.data(data)),
            ]
            if let sender = question.sender { fields["from"] = .string(sender.hex) }
            calls.append(RPCCall("eth_call", [.object(fields), .string("latest")]))
        }
        return calls
    }

    private static func read(
        _ questions: [Question], _ results: ArraySlice<Result<JSONValue, RPCError>>
    ) -> [Result<[ABIValue], GridError>] {
        zip(questions, results).map { question, result in
            switch result {
            case .failure(let error):
                return .failure(
                    GridError(
                        error.refusal == .reverted ? .reverted : .unavailable, ContractABI.describe(error)))
            case .success(let json):
                guard let bytes = json.text.flatMap({ Hex.decode($0) }),
                    let values = try? question.function.decode(bytes)
                else {
                    return .failure(
                        GridError(.malformed, "\(question.function.signature) at \(question.contract): no answer of it")
                    )
                }
                return .success(values)
            }
        }
    }

    /// The chain's word on these jobs, in their order, and the newest block of the node that says so.
    func jobs(
        _ ids: [Hash32], of contracts: GridContracts
    ) async throws(GridError) -> (words: [Result<ChainJob, GridError>], block: UInt64) {
        let (answers, block) = try await askWithBlock(
            ids.map { Question(ContractABI.getJob, [.hash($0)], at: contracts.jobs) })
        let words = answers.map { answer in
            answer.flatMap { values in
                do throws(ContractAnswer) {
                    return .success(try ChainJob(values[0]))
                } catch {
                    return .failure(GridError(.malformed, "JobRepository.get: \(error)"))
                }
            }
        }
        return (words, block)
    }

    /// Receipts of mined transactions, in one request; those that the node does not have are left out. Throws when no node
    /// answers.
    func receipts(of transactions: Set<Hash32>) async throws(GridError) -> [Hash32: TransactionReceipt] {
        guard !transactions.isEmpty else { return [:] }
        let calls = transactions.map { RPCCall("eth_getTransactionReceipt", [.string("\($0)")]) }
        let answers: RPCClient.Answers
        do throws(RPCError) {
            answers = try await client.batch(calls)
        } catch {
            throw GridError(.unavailable, "the chain: \(error)")
        }
        var receipts: [Hash32: TransactionReceipt] = [:]
        for result in answers.results {
            guard let found = try? TransactionReceipt.read(result.get()), transactions.contains(found.transaction)
            else { continue }
            receipts[found.transaction] = found
        }
        return receipts
    }

    func job(_ id: Hash32, of contracts: GridContracts) async throws(GridError) -> (word: ChainJob, block: UInt64) {
        let (words, block) = try await jobs([id], of: contracts)
        return (try words[0].get(), block)
    }
}
