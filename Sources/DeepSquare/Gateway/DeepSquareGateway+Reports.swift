// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import FoundationEssentials
internal import Logging

/// What the contract is told of a claim, by transactions.
extension DeepSquareGateway {
    /// Job ids are small numbers in practice: another contract has the same ones.
    func intentKey(_ key: Key, _ attempt: Int) -> String {
        "\(Self.intentPrefix)\(contracts.metaScheduler.hex) \(key) \(attempt)"
    }

    static let intentPrefix = "deepsquare "

    /// The claim and the attempt of a report; nil for intents that are none.
    func report(of intent: String) -> (Key, attempt: Int)? {
        let parts = intent.split(separator: " ")
        guard parts.count == 5, parts[1] == contracts.metaScheduler.hex, let job = Hash32(hex: parts[2]),
            let number = Int64(parts[3]), let attempt = Int(parts[4])
        else { return nil }
        let key = Key(job: job, number: number)
        return intentKey(key, attempt) == intent ? (key, attempt) : nil
    }

    /// Committed here, then by the transaction manager, which broadcasts it at once: a crash between the two is made good at the
    /// next start.
    /// - Returns: whether it is on its way.
    func send(_ report: GridClaim.Report, _ key: Key) async -> Bool {
        guard await wouldBeTaken(report, key), var claim = claims[key] else { return false }
        claim.attempts += 1
        var numbered = report
        numbered.attempt = claim.attempts
        if report.kind == .running { claim.running = numbered } else { claim.final = numbered }
        claims[key] = claim
        do throws(GridError) {
            try await save([key])
        } catch {
            // Nothing has left; it is decided again.
            if report.kind == .running { claims[key]?.running = nil } else { claims[key]?.final = nil }
            note(error)
            failed(.send, key, error.description)
            return false
        }
        succeeded(.send, key)
        logger.info(
            "reports",
            metadata: ids(
                key,
                [
                    "status": "\(numbered.statusWord)", "minutes": "\(report.minutes)",
                    "exit_code": "\(report.exitCode)", "why": "\(report.words)",
                    "transaction_key": "\(intentKey(key, numbered.attempt))",
                ]))
        await handOver(numbered, key)
        return true
    }

    /// A report that the contract did not take is tried by a call before it costs gas once more.
    private func wouldBeTaken(_ report: GridClaim.Report, _ key: Key) async -> Bool {
        guard let claim = claims[key], claim.rehearses(report) else { return true }
        do throws(GridError) {
            let question = Self.call(report, of: key.job)
            let answer = try await reader.ask([
                .init(question.function, question.arguments, at: contracts.metaScheduler, from: address)
            ])
            // Decided meanwhile on what is newer.
            guard claims[key] == claim else { return false }
            guard case .failure(let error) = answer.first else { return true }
            // The call itself may not be answered: a node's trouble, and no word of the contract.
            guard error.code == .reverted else {
                // What the call gives back is of no interest.
                if error.code == .malformed { return true }
                throw error
            }
            claims[key]?.rehearsalFailed(now: seconds)
            failed(.send, key, "the contract would not take \(report.statusWord): \(error)")
            await saveOrRetry(key)
        } catch {
            note(error)
            failed(.send, key, error.description)
        }
        return false
    }

    private static func call(
        _ report: GridClaim.Report, of job: Hash32
    ) -> (function: ABIFunction, arguments: [ABIValue]) {
        switch report.kind {
        case .refuse:
            (ContractABI.refuseJob, [.hash(job)])
        case .running, .end:
            (
                ContractABI.providerSetJobStatus,
                [
                    .hash(job), .uint64(UInt64(report.status.rawValue)), .uint64(report.minutes),
                    .string(report.words), .int64(report.exitCode),
                ]
            )
        }
    }

    private func handOver(_ decided: GridClaim.Report, _ key: Key) async {
        var report = decided
        while !Task.isCancelled {
            do {
                // A call names the job only: of one that was taken back it might be about its next claim.
                if claims[key]?.chain.isOver != false {
                    return try await isDropped(report, key) ? advance(key) : watch(report, key)
                }
                try await manager.submit(intent(report, key))
                return watch(report, key)
            } catch let error as ChainStoreError where error.code == .conflict {
                // From before this gateway's file was made again.
                guard var claim = claims[key] else { return }
                claim.attempts += 1
                report.attempt = claim.attempts
                if report.kind == .running { claim.running = report } else { claim.final = report }
                claims[key] = claim
                await saveOrRetry(key)
            } catch {
                if Task.isCancelled || (error as? ChainStoreError)?.code == .closed { return }
                logger.error(
                    "a report waits for the chain's ledger", metadata: ids(key, ["why": "\(error)"]))
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }

    private func intent(_ report: GridClaim.Report, _ key: Key) throws -> TransactionIntent {
        let call = Self.call(report, of: key.job)
        let data = try call.function.call(call.arguments)
        // What each of them costs differs.
        return TransactionIntent(
            key: intentKey(key, report.attempt), className: "status", recipient: contracts.metaScheduler, data: data,
            call: "\(contracts.metaScheduler.hex):\(report.kind == .refuse ? "refuse" : "\(report.status)")")
    }

    /// - Returns: false when the transaction manager has it.
    private func isDropped(_ report: GridClaim.Report, _ key: Key) async throws -> Bool {
        if try await manager.knows(intent(report, key)) { return false }
        claims[key]?.undecide(report)
        await saveOrRetry(key)
        return true
    }

    /// After a start: reports that were handed over are waited for. One that was decided, and kept from there by a crash, is
    /// decided again, once all is known that the chain has said meanwhile: it may be about a claim that is over by now, and the
    /// contract would take it for the next one.
    func resume(_ key: Key) async throws {
        for report in claims[key]?.openReports ?? [] {
            if try await manager.knows(intent(report, key)) {
                watch(report, key)
            } else {
                claims[key]?.undecide(report)
            }
        }
    }

    /// The chain took the job back while a report of ours waits for a nonce: its turn may come when the job is ours again.
    func recall(_ key: Key) async {
        for report in claims[key]?.openReports ?? [] {
            do throws(ChainStoreError) {
                _ = try await manager.withdraw(intentKey(key, report.attempt))
            } catch {
                note(GridError(.storage, "\(error)"))
            }
        }
        // What is on its way may come back to the queue.
        pause(.recall, key, seconds: 5)
    }

    func watch(_ report: GridClaim.Report, _ key: Key) {
        let intent = intentKey(key, report.attempt)
        spawn {
            guard let outcome = await self.outcome(of: intent) else { return }  // The gateway ends.
            await self.over(report, key, outcome)
        }
    }

    /// nil only when the gateway ends, or there is no such intent.
    func outcome(of intent: String) async -> TransactionOutcome? {
        while !Task.isCancelled {
            do {
                return try await manager.outcome(intent)
            } catch {
                note(GridError(.storage, "\(error)"))
                try? await Task.sleep(for: .seconds(1))
            }
        }
        return nil
    }

    private func over(_ report: GridClaim.Report, _ key: Key, _ outcome: TransactionOutcome) async {
        guard let known = report.kind == .running ? claims[key]?.running : claims[key]?.final,
            known.attempt == report.attempt, known.state == .sent
        else { return }
        var words: Logger.Metadata = ["status": "\(report.statusWord)"]
        if let receipt = outcome.receipt {
            words["transaction"] = "\(receipt.transaction)"
            words["block"] = "\(receipt.block.number)"
        }
        switch outcome {
        case .succeeded(let receipt):
            let payments = pay(in: receipt, of: report, key)
            succeeded(.send, key)
            claims[key]?.succeeded(
                report.kind, block: receipt.block.number, transaction: receipt.transaction, payments: payments,
                now: seconds)
            logger.info("reported", metadata: ids(key, words))
            if !payments.isEmpty { spawn { await self.refreshCredits() } }
        case .reverted, .cancelled:
            claims[key]?.reverted(
                report.kind, block: outcome.receipt?.block.number ?? 0, transaction: outcome.receipt?.transaction,
                now: seconds)
            words["outcome"] = "\(outcome.receipt == nil ? "cancelled" : "reverted")"
            logger.notice(
                "the contract did not take a report; its state decides what comes next", metadata: ids(key, words))
        }
        await saveOrRetry(key)
        advance(key)
    }
}
