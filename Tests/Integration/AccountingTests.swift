// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Synchronization
import Testing

@testable import Slurm

/// slurmdbd: its answers, its rules (AccountingStorageEnforce, PrivateData, federation) and its failures. The lab
/// runs with MinJobAge=2, so slurmctld forgets ended jobs within seconds.
@Suite("Accounting", .serialized, .enabled(if: Lab.runs("Accounting")))
struct AccountingTests {
    /// What an earlier test may have left.
    init() async throws {
        try await Lab.mendAll()
    }

    @Test("the cluster says that it keeps accounting, and what it enforces")
    func cluster() async throws {
        let cluster = try await Lab.connect().cluster()
        #expect(cluster.hasAccounting)
        #expect(cluster.accounting.contains([.associations, .limits, .qos]))
        #expect(!cluster.accounting.contains(.wckeys))
        #expect(geteuid() == cluster.slurmUserID && geteuid() != 0)
    }

    @Test("a job that slurmctld has forgotten: state, exit code, times from slurmdbd")
    func forgotten() async throws {
        let controller = try await Lab.connect()
        let before = Int64(Date().timeIntervalSince1970)
        var request = try charged("exit 5", name: "forgotten")
        request.adminComment = "tag-9"
        let id = try await controller.submit(request).jobID
        let job = try await controller.ended(id)
        try await eventually(within: .seconds(60), "slurmctld forgets job \(id)") {
            do {
                _ = try await controller.job(id)
                return false
            } catch let error as SlurmError where error.code == .notFound {
                return true
            }
        }
        let answer = try await Lab.accounting.jobs([id])
        let row = try #require(answer.jobs.first)
        #expect(answer.jobs.count == 1)
        #expect(answer.isAuthoritative)
        #expect(row.state.base == .failed)
        #expect(row.exit.code == 5)
        #expect(row.name == "forgotten")
        #expect(row.adminComment == "tag-9")
        #expect(row.userName == "labu1" && row.account == "acct_labu1")
        #expect(row.submitTime == job.submitTime.map { Int64($0.timeIntervalSince1970) })
        #expect(row.endTime == job.endTime.map { Int64($0.timeIntervalSince1970) })
        // By submit window: this run and no other.
        let submitted = try #require(row.submitTime)
        #expect(try await Lab.accounting.jobs([id], submitted: submitted...submitted).jobs.count == 1)
        #expect(try await Lab.accounting.jobs([id], submitted: 0...(submitted - 1)).jobs.isEmpty)
        // Ended since.
        #expect(try await Lab.accounting.jobs(endedSince: before - 1).jobs.contains { $0.id == id })
        #expect(try await Lab.accounting.jobs(endedSince: Int64(Date().timeIntervalSince1970) + 60).jobs.isEmpty)
        // The command finds it there too.
        let shown = try await Lab.run(as: "root", "\(Lab.binary) job \(id)")
        #expect(shown.output.contains("FAILED") && shown.output.contains("5:0"))
        #expect(try await Lab.run(as: "root", "\(Lab.binary) wait \(id)", expecting: 3).output.contains("slurmdbd"))
    }

    @Test("a number that nobody had: an empty answer for SlurmUser, no answer for whom slurmdbd hides jobs from")
    func hidden() async throws {
        #expect(try await Lab.accounting.jobs([3_999_999]).jobs.isEmpty)
        let script = "\(Lab.binary) job 3999999 --json"
        let hidden = try await Lab.run(as: "labu1", script, expecting: 4)
        #expect(hidden.output.contains("hides other users"))
        // An operator sees all, so "no such job" is an answer.
        try await Lab.run(as: "root", "sacctmgr -i modify user labu2 set adminlevel=operator")
        let seen = try await Lab.run(as: "labu2", script, expecting: 4)
        #expect(!seen.output.contains("hides other users"))
        try await Lab.run(as: "root", "sacctmgr -i modify user labu2 set adminlevel=none")
    }

    /// Asked for a window of time, slurmdbd leaves out what was never eligible to run.
    @Test("a job that was cancelled while it was held is found by name, and among what ended")
    func neverEligible() async throws {
        let controller = try await Lab.connect()
        let before = Int64(Date().timeIntervalSince1970) - 1  // slurmctld's clock is a coarse one
        var request = try charged("true", name: "never-eligible")
        request.hold = true
        let id = try await controller.submit(request).jobID
        try await controller.cancel(JobID(id))
        // slurmctld tells of the end at once, of the submission, which has the name, within 5 s.
        try await eventually(within: .seconds(15), "slurmdbd has job \(id) by its name, and its end") {
            #expect(try await Lab.accounting.jobs(endedSince: before).jobs.allSatisfy { $0.isWhole })
            let rows = try await Lab.accounting.jobs(submittedSince: before, named: "never-eligible").jobs
            return rows.map(\.id) == [id] && rows[0].state.base == .cancelled
        }
        #expect(try await Lab.accounting.jobs(endedSince: before).jobs.contains { $0.id == id })
    }

    @Test("what ended in a window, and nothing that waits")
    func window() async throws {
        let controller = try await Lab.connect()
        let before = Int64(Date().timeIntervalSince1970) - 1
        var request = try charged("true", name: "waits")
        request.hold = true
        let waiting = try await controller.submit(request).jobID
        let ended = try await controller.submit(try charged("true", name: "ends")).jobID
        _ = try await controller.ended(ended)
        try await eventually(within: .seconds(15), "slurmdbd has both") {
            let rows = try await Lab.accounting.jobs([waiting, ended]).jobs
            return rows.count == 2 && rows.contains { $0.endTime != nil }
        }
        let end = try #require(try await Lab.accounting.jobs([ended]).jobs.first?.endTime)
        let rows = try await Lab.accounting.jobs(endedIn: before...end).jobs
        #expect(rows.contains { $0.id == ended } && rows.allSatisfy { $0.endTime != nil && $0.id != waiting })
        #expect(try await Lab.accounting.jobs(endedIn: before...(end - 1)).jobs.allSatisfy { $0.id != ended })
        #expect(try await Lab.accounting.jobs(endedIn: (end + 1)...(end + 60)).jobs.allSatisfy { $0.id != ended })
        try await controller.cancel(JobID(waiting))
    }

    /// slurmdbd's answer has NO_VAL for the start of such a job when it knew the job before its end.
    @Test("a job that never ran has no start")
    func neverStarted() async throws {
        let controller = try await Lab.connect()
        var request = try charged("true", name: "never-started")
        request.hold = true
        let id = try await controller.submit(request).jobID
        try await eventually(within: .seconds(15), "slurmdbd knows job \(id)") {
            try await Lab.accounting.jobs([id]).jobs.first?.isWhole == true
        }
        try await controller.cancel(JobID(id))
        try await eventually("slurmdbd has its end") {
            try await Lab.accounting.jobs([id]).jobs.first?.endTime != nil
        }
        let row = try #require(try await Lab.accounting.jobs([id]).jobs.first)
        #expect(row.startTime == nil && row.eligibleTime == nil && row.elapsed == 0)
    }

    @Test("a requeued job has a run for each submission")
    func requeued() async throws {
        let controller = try await Lab.connect()
        var request = try charged("sleep 30", name: "requeued")
        request.requeue = true
        let id = try await controller.submit(request).jobID
        try await controller.running(id)
        try await Task.sleep(for: .seconds(1))
        try await controller.requeue(JobID(id))
        try await eventually("both runs are in slurmdbd") {
            try await Lab.accounting.jobs([id]).jobs.count == 2
        }
        let rows = try await Lab.accounting.jobs([id]).jobs
        #expect(Set(rows.map(\.submitTime)).count == 2)
        #expect(Set(rows.map(\.databaseIndex)).count == 2)
        try await controller.cancel(JobID(id))
    }

    @Test("associations, QOS, WCKey and limits: typed refusals")
    func enforced() async throws {
        let controller = try await Lab.connect()
        func refused(_ code: SlurmError.Code, _ change: (inout JobRequest) -> Void) async throws -> SlurmError {
            var request = try charged("true", name: "refused")
            change(&request)
            return try await failing(with: code) { _ = try await controller.submit(request) }.error
        }
        #expect(try await refused(.association) { $0.account = "acct_labu2" }.number == 2045)
        #expect(try await refused(.association) { $0.account = "nosuch" }.number == 2045)
        #expect(try await refused(.association) { $0.qos = "nosuch" }.number == 2066)
        try await Lab.run(
            as: "root",
            "sacctmgr -i modify user labu3 set maxsubmitjobs=0 && scontrol show assoc_mgr users=labu3 >/dev/null")
        try await eventually("the limit has reached slurmctld") {
            var request = try charged("true", name: "limited")
            request.userID = try Lab.user("labu3").userID
            request.account = "acct_labu3"
            request.hold = true
            do {
                let id = try await controller.submit(request).jobID
                try await controller.cancel(JobID(id))
                return false
            } catch let error as SlurmError {
                #expect(error.code == .limit)
                #expect(error.number == 2050)
                return true
            }
        }
    }

    @Test("slurmdbd down: accountingUnavailable at once; jobs go on")
    func down() async throws {
        let controller = try await Lab.connect()
        try await Lab.ask("stop slurmdbd")
        let (error, took) = try await failing(with: .accountingUnavailable) { _ = try await Lab.accounting.jobs([1]) }
        #expect(error.message.contains("slurmdbd"))
        #expect(took < .seconds(10))
        // Submitting, looking and cancelling do not need it.
        let id = try await controller.submit(try held()).jobID
        #expect(try await controller.jobs()[id] != nil)
        try await controller.cancel(JobID(id))
        try await Lab.ask("start slurmdbd")
        try await eventually("slurmdbd answers again") { (try? await Lab.accounting.jobs([3_999_999])) != nil }
        controller.close()
    }

    @Test("slurmdbd hung: accountingUnavailable at the deadline, no process left behind")
    func hung() async throws {
        try await Lab.ask("pause slurmdbd")
        var accounting = Lab.accounting
        accounting.timeout = .seconds(2)
        let (error, took) = try await failing(with: .accountingUnavailable) { _ = try await accounting.jobs([1]) }
        #expect(error.message.contains("2"))
        #expect(took >= .seconds(2) && took < .seconds(6))
        try await Lab.ask("resume slurmdbd")
        let left = try await Lab.run(as: "root", "pgrep -u slurm -f '\(Lab.binary) slurm-helper' || true")
        #expect(left.output.isEmpty)
    }

    @Test("slurmdbd dies on an open connection, which ends the process that asks: an error value here")
    func diesWhileConnected() async throws {
        let accounting = Lab.accounting
        let (error, _) = try await failing(with: .accountingUnavailable) {
            _ = try await accounting.ask(AccountingQuery(ids: [1])) {
                _ = try? await Lab.ask("kill slurmdbd")
            }
        }
        // Exit status 127 is the dynamic linker's: Slurm's plugin lacks a symbol in libslurm.
        #expect(error.message.contains("127") || error.message.contains("slurmdbd does not answer"), "\(error)")
        try await Lab.ask("start slurmdbd")
        try await eventually("slurmdbd answers again") { (try? await Lab.accounting.jobs([3_999_999])) != nil }
    }

    @Test("a federated cluster: submissions stay on this cluster")
    func federated() async throws {
        try await Lab.run(as: "root", "sacctmgr -i add federation labfed clusters=$LAB_CLUSTER")
        let controller = try await Lab.connect()
        try await eventually("slurmctld knows of the federation") {
            try await controller.cluster(maximumAge: .zero).federation == "labfed"
        }
        let id = try await controller.submit(try held()).jobID
        // Ids of a federated cluster carry its number in their upper bits.
        #expect(id > 1 << 26)
        #expect(try await controller.jobs()[id]?.name == "held")
        #expect(try await controller.job(id).state.base == .pending)
        let siblings = try await Lab.run(as: "root", "scontrol show job \(id) | grep -i viable")
            .output
        #expect(siblings.contains("FedViableSiblings=lab"), "\(siblings)")
        try await controller.cancel(JobID(id))
        try await Lab.run(as: "root", "sacctmgr -i delete federation labfed")
        controller.close()
    }

    @Test("WCKeys, where a site enforces them")
    func wckeys() async throws {
        try await Lab.reconfigure("TrackWCKey=yes\nAccountingStorageEnforce=associations,limits,qos,wckeys")
        let controller = try await Lab.connect()
        #expect(try await controller.cluster(maximumAge: .zero).accounting.contains(.wckeys))
        var request = try held()
        request.wckey = "nosuch"
        let (error, _) = try await failing(with: .association) { _ = try await controller.submit(request) }
        #expect(error.number == 2057)
        controller.close()
    }

    private func charged(_ body: String, name: String) throws -> JobRequest {
        var request = try Lab.request(body, name: name)
        request.account = "acct_labu1"
        return request
    }

    private func held() throws -> JobRequest {
        var request = try charged("true", name: "held")
        request.hold = true
        return request
    }
}
