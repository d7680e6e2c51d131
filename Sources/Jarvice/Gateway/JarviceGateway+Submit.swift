// SPDX-License-Identifier: GPL-3.0-or-later

internal import JobLifecycle
internal import Logging
internal import Support

extension JarviceGateway {
    func submit(_ args: JSONValue) async throws(JarviceError) -> JSONText {
        do throws(JarviceError) {
            return try await accepted(args)
        } catch {
            counters.refused(error, at: seconds)
            throw error
        }
    }

    private func accepted(_ args: JSONValue) async throws(JarviceError) -> JSONText {
        let arguments = try SubmitArguments(args, executor: settings.executor.executor)
        let site = ApplicationScript.Site(
            executor: settings.executor, machine: machine, hasPages: settings.jobsDomain != nil,
            servicePort: settings.servicePort)
        guard let application = try ApplicationScript(base64: arguments.script, site: site) else {
            return JSONText([JSONText(ApplicationScript.tooOld), JSONText(400)])
        }
        let user = try await user(arguments.bearer)
        let plan = try JobPlan(
            arguments, application, user: user, executor: settings.executor, partition: settings.partition)
        let request = try cluster.request(plan)
        let externalID = "\(user.userID)/\(arguments.number)/\(arguments.name)"
        await submissions.enter(externalID)
        let answer: Result<JSONText, JarviceError>
        do throws(JarviceError) {
            answer = .success(try await placed(externalID, request))
        } catch {
            answer = .failure(error)
        }
        await submissions.leave(externalID)
        return try answer.get()
    }

    func user(_ bearer: String) async throws(JarviceError) -> JarviceUser {
        let claims = try await verifier.claims(of: bearer)
        return try await allowed(login: try users.login(claims))
    }

    func allowed(login: String) async throws(JarviceError) -> JarviceUser {
        guard let user = try await cluster.user(login: login, groups: settings.groups) else {
            throw JarviceError(.identity, "the token's user \(login) is not a user of this host")
        }
        guard user.userID >= settings.minimumUserID, user.userID > 0 else {
            throw JarviceError(.identity, "the token's user \(login) has a uid below \(settings.minimumUserID)")
        }
        guard !(try await cluster.systemUsers().contains(user.userID)) else {
            throw JarviceError(.identity, "the token's user \(login) may not run jobs from outside")
        }
        return user
    }

    /// The row first. What is there already, from a call whose answer was lost, is not asked for again.
    private func placed(_ externalID: String, _ request: [UInt8]) async throws(JarviceError) -> JSONText {
        let known = try await ledgerAnswer { try await self.ledger.newestOrder(Self.gatewayName, externalID) }
        if let known, known.phase != .refused, known.withdrawn == nil, try await isSame(known) {
            counters.count(\.repeated)
            return try await numbered(known)
        }
        // Nothing stays in the ledger that upstream is told has failed.
        guard await isUp() else { throw JarviceError(.unavailable, "slurmctld does not answer") }
        let claim = max(seconds, (known?.order.claim ?? 0) + 1)
        let order = JobOrder(gateway: Self.gatewayName, externalID: externalID, claim: claim, request: request)
        let found = try await ledgerAnswer {
            _ = try await self.ledger.accept(order)
            return try await self.ledger.order(Self.gatewayName, externalID, claim: claim)
        }
        guard let found else { throw JarviceError(.unavailable, "the ledger has lost the submission") }
        counters.count(\.submitted)
        return try await numbered(found)
    }

    /// Whether a submission of the same name and number is that one, asked for again: within a day, and as long as its job is
    /// not over. A clock that is set forward makes it no older.
    private func isSame(_ known: OrderRecord) async throws(JarviceError) -> Bool {
        let age = ClockTrust.age(
            since: known.order.claim, wall: seconds, trusted: trustedSeconds, leap: ledger.clock.leap)
        if age < Self.day { return true }
        let told = try await ledgerAnswer { [ledger] in try await ledger.transitions(ofLedgerJob: known.ledgerJob) }
        return !told.contains(where: \.isFinal)
    }

    /// The answer, once slurmctld has the job.
    private func numbered(_ order: OrderRecord) async throws(JarviceError) -> JSONText {
        let (externalID, claim) = (order.order.externalID, order.order.claim)
        @Sendable func record() async throws -> OrderRecord? {
            try await ledger.order(Self.gatewayName, externalID, claim: claim)
        }
        _ = try await ledgerAnswer { [self] in
            try await news(of: order.ledgerJob, atMost: settings.submitTimeout) {
                let now = try await record()
                return now?.jobID != nil || now?.phase == .refused
            }
        }
        var now = try await ledgerAnswer(record)
        if now?.jobID == nil, now?.phase != .refused {
            // Upstream is told that it failed: then there must be no job.
            _ = try await ledgerAnswer { [self] in
                try await ledger.withdraw(
                    Self.gatewayName, externalID, claim: claim, why: "slurmctld did not answer in time")
            }
            now = try await ledgerAnswer(record)
        }
        guard let now, now.withdrawn == nil, let jobID = now.jobID else {
            throw try await refusal(order)
        }
        await index.changed()
        logger.info(
            "JARVICE: submitted", metadata: ["job": "\(externalID)", "claim": "\(claim)", "slurm": "\(jobID)"])
        let script = try cluster.script(ofRequest: now.order.request)
        return JSONText([JSONText("\(jobID)"), JSONText(BatchScript.shown(script))])
    }

    private func refusal(_ order: OrderRecord) async throws(JarviceError) -> JarviceError {
        let told = try await ledgerAnswer { [ledger] in try await ledger.transitions(ofLedgerJob: order.ledgerJob) }
        guard let refused = told.last(where: { $0.kind == .refused }), refused.refusal == .scheduler else {
            return JarviceError(.unavailable, "slurmctld did not answer in time: the job is taken back")
        }
        // As the reference logs it.
        let words = (refused.message ?? "no reason").split(whereSeparator: \.isNewline).joined(separator: " -- ")
        return JarviceError(.refused, "Slurm refused the job: \(words)")
    }

    func ledgerAnswer<Value: Sendable>(
        _ body: @Sendable () async throws -> Value
    ) async throws(JarviceError) -> Value {
        do {
            return try await body()
        } catch let error as JarviceError {
            throw error
        } catch {
            throw JarviceError(.unavailable, "the ledger cannot be used: \(error)")
        }
    }
}
