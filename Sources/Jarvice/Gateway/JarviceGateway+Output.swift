// SPDX-License-Identifier: GPL-3.0-or-later

internal import JobLifecycle

extension JarviceGateway {
    func tail(_ job: NamedJob, lines: Int) async throws(JarviceError) -> String? {
        guard files != nil else { return nil }
        guard let (_, order) = try await own(job) else {
            throw JarviceError(.unknownJob, "job \(job.jobID.prefix(32)) is not a job of this gateway")
        }
        return try await output(of: order, lines: lines)
    }

    /// What a job wrote, without white space at its end; nil: nothing that its user can read.
    func output(of order: OrderRecord, lines: Int) async throws(JarviceError) -> String? {
        guard let files, let (userID, name) = Self.owner(order.order.externalID) else { return nil }
        // Who is gone has nothing left.
        guard let user = try await cluster.user(of: userID) else { return nil }
        let path = JobPlan.output(of: name, executor: settings.executor, user: user)
        return try await files.tail(of: path, as: userID, lines: lines).map(PythonText.stripEnd)
    }

    /// Of `uid/number/name`: neither of the last two can have a slash in it that is not the name's, which has none.
    static func owner(_ externalID: String) -> (userID: UInt32, name: String)? {
        guard let first = externalID.firstIndex(of: "/"), let last = externalID.lastIndex(of: "/"), first != last,
            let userID = UInt32(externalID[..<first])
        else { return nil }
        return (userID, String(externalID[externalID.index(after: last)...]))
    }
}
