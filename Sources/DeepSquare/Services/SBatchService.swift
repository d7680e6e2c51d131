// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import FoundationEssentials
internal import GRPCCore
internal import GRPCNIOTransportHTTP2Posix
internal import SwiftProtobuf

/// The service that has the jobs' scripts.
actor SBatchService {
    struct Script: Sendable, Hashable {
        var text: String
        /// Where the service says that the job's log goes; to be checked before it is used.
        var loggerAddress: String
    }

    enum Failure: Error, Sendable, Hashable {
        /// Ask again: it is away, or its own node has not seen the claim yet.
        case notNow(String)
        /// There is no such script.
        case notFound(String)
        /// It never will be a job: too large, or no text.
        case unusable(String)
    }

    private let client: GridTransport.Client
    private let endpoint: ServiceEndpoint
    private let signer: any TransactionSigner
    private let limit: Int
    private let now: @Sendable () -> Date
    /// The service takes a challenge for ten minutes.
    private var challenge: (bytes: Data, signature: Data, until: Date)?

    /// Of one call.
    private let timeout: Duration
    private static let challengeLife = 300.0

    init(
        _ settings: GridSettings, signer: any TransactionSigner, timeout: Duration = .seconds(10),
        now: @escaping @Sendable () -> Date = { Date() }
    ) throws(GridError) {
        endpoint = settings.sbatch
        client = GridTransport.Client(transport: try GridTransport.make(settings.sbatch, settings.security))
        limit = settings.scriptLimit
        self.signer = signer
        self.timeout = timeout
        self.now = now
    }

    /// Keeps the connection until `end`, or until the task is cancelled.
    nonisolated func run() async throws { try await GridTransport.run(client) }

    nonisolated func end() { client.beginGracefulShutdown() }

    func script(for job: Hash32, hash: String, customer: Address) async throws(Failure) -> Script {
        do {
            return try await fetch(job, hash, customer)
        } catch let error as GRPCCore.RPCError where error.code == .unauthenticated && challenge != nil {
            // A service that was restarted has forgotten its challenges.
            challenge = nil
            do {
                return try await fetch(job, hash, customer)
            } catch {
                throw failure(error)
            }
        } catch {
            throw failure(error)
        }
    }

    private func fetch(_ job: Hash32, _ hash: String, _ customer: Address) async throws -> Script {
        let proof = try await proof()
        var request = Sbatchapi_V1alpha1_GetSBatchRequest()
        request.batchLocationHash = hash
        request.challenge = proof.bytes
        request.signedChallenge = proof.signature
        request.providerAddress = Data(signer.address.bytes)
        request.customerAddress = Data(customer.bytes)
        request.jobID = job.description
        let service = Sbatchapi_V1alpha1_SBatchAPI.Client(wrapping: client)
        // The script and its frame; a larger answer is not taken in.
        let answer = try await service.getSBatch(request, options: options(limit + 4096))
        return Script(text: answer.sbatch, loggerAddress: answer.gridLoggerURL)
    }

    private func proof() async throws -> (bytes: Data, signature: Data) {
        if let challenge, challenge.until > now() { return (challenge.bytes, challenge.signature) }
        let service = Sbatchapi_V1alpha1_AuthAPI.Client(wrapping: client)
        let bytes = try await service.challenge(Sbatchapi_V1alpha1_ChallengeRequest(), options: options(64 << 10))
            .challenge
        let signature = Data(try await signer.sign(message: Array(bytes)).bytes)
        challenge = (bytes, signature, now() + Self.challengeLife)
        return (bytes, signature)
    }

    /// Tries a challenge, for `check`.
    func probe() async throws(GridError) {
        do {
            challenge = nil
            _ = try await proof()
        } catch {
            let advice = GridTransport.advice(error).map { ": \($0)" } ?? ""
            throw GridError(.unavailable, "the sbatch service at \(endpoint): \(GridTransport.words(error))\(advice)")
        }
    }

    private func options(_ size: Int) -> CallOptions {
        var options = CallOptions.defaults
        options.timeout = timeout
        // Who waits is not told why: the gateway tries again by itself.
        options.waitForReady = false
        options.maxResponseMessageBytes = size
        // By its name it bounds what is sent; this transport's client bounds by it what it gets.
        options.maxRequestMessageBytes = size
        return options
    }

    private func failure(_ error: any Error) -> Failure {
        let words = "the sbatch service at \(endpoint): \(GridTransport.words(error))"
        guard let error = error as? GRPCCore.RPCError else { return .notNow(words) }
        if error.code == .notFound { return .notFound("the grid's sbatch service has no script for this job") }
        if GridTransport.isTooLarge(error) { return .unusable("the script is larger than \(limit) bytes") }
        if GridTransport.isNoText(error) { return .unusable("the script is not UTF-8") }
        return .notNow(words)
    }
}
