// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import JobLifecycle
import NIOConcurrencyHelpers
import Testing
import Waiting

@testable import Jarvice

@Suite struct GatewayTests {
    private func refusal(_ body: () async throws(JarviceError) -> Void) async -> JarviceError? {
        do throws(JarviceError) {
            try await body()
            return nil
        } catch {
            return error
        }
    }

    @Test("a submission is the same one again within a day, while its job is not over, and whatever a clock is set to")
    func sameAgain() async throws {
        let now = NIOLockedValueBox(Date())
        let steady = NIOLockedValueBox(Date())
        let site = try GatewaySite(now: { now.withLockedValue { $0 } }, steady: { steady.withLockedValue { $0 } })
        try await site.running {
            let first = try await site.gateway.submit(try GatewaySite.args())
            // The clock is set forward, with the job over.
            try await site.end(101)
            now.withLockedValue { $0 += 100_000 }
            #expect(try await site.gateway.submit(try GatewaySite.args()) == first)
            // So much time has passed.
            now.withLockedValue { $0 += 100_000 }
            steady.withLockedValue { $0 += 100_000 }
            let second = try await site.gateway.submit(try GatewaySite.args())
            #expect(second != first)
            for _ in 1...2 {
                now.withLockedValue { $0 += 100_000 }
                steady.withLockedValue { $0 += 100_000 }
                #expect(try await site.gateway.submit(try GatewaySite.args()) == second, "its job waits or runs")
            }
            #expect(site.slurm.state.withLockedValue { $0.submissions.count } == 2)
        }
    }

    @Test func oneJobOfManyCalls() async throws {
        let site = try GatewaySite()
        try await site.running {
            let first = try await site.gateway.submit(try GatewaySite.args())
            #expect(first.text.hasPrefix("[\"101\",\"#!/bin/bash\\n"))
            #expect(first.text.contains("echo it's") && !first.text.contains("DOCKER_PASSWORD"))
            #expect(try await site.gateway.submit(try GatewaySite.args()) == first)
            let calls = try await withThrowingTaskGroup(of: String.self) { group in
                for _ in 0..<8 {
                    group.addTask { try await site.gateway.submit(try GatewaySite.args("other")).text }
                }
                return try await group.reduce(into: Set<String>()) { $0.insert($1) }
            }
            #expect(calls.count == 1)
            #expect(site.slurm.state.withLockedValue { $0.submissions.count } == 2)
            // Another number, as Python prints it, is another job.
            _ = try await site.gateway.submit(try GatewaySite.args(number: "1.0"))
            #expect(site.slurm.state.withLockedValue { $0.submissions.count } == 3)
            let counts = site.gateway.counters.counts
            #expect(counts.submitted == 3 && counts.repeated == 8 && counts.refused == 0)
        }
    }

    @Test func whatIsRefusedLeavesNothing() async throws {
        let site = try GatewaySite()
        try await site.running {
            let old = try await site.gateway.submit(try GatewaySite.args(version: 1))
            #expect(old.text == "[\"Appdef V2+ is required for this downstream\",400]")
            for (user, words) in [("nobody", "not a user"), ("low", "uid below"), ("agent", "may not run")] {
                let args = try GatewaySite.args(user: user)
                let error = await refusal { () async throws(JarviceError) in _ = try await site.gateway.submit(args) }
                #expect(error?.message.contains(words) == true && error?.code == .identity, "\(user)")
            }
            #expect(site.gateway.counters.refusals.count == 3)
            site.slurm.state.withLockedValue { $0.isUp = false }
            let args = try GatewaySite.args()
            let away = await refusal { () async throws(JarviceError) in _ = try await site.gateway.submit(args) }
            #expect(away?.code == .unavailable)
            #expect(try await site.ledger.newestOrder(JarviceGateway.gatewayName, "1001/1/n") == nil)
            site.slurm.state.withLockedValue {
                $0.isUp = true
                $0.refusal = "no\nway"
            }
            let refused = await refusal { () async throws(JarviceError) in _ = try await site.gateway.submit(args) }
            #expect(refused?.message == "Slurm refused the job: no -- way")
            // Once more is another try.
            site.slurm.state.withLockedValue { $0.refusal = nil }
            #expect(try await site.gateway.submit(args).text.hasPrefix("[\"101\""))
        }
    }

    /// Upstream is told that it failed: no job may come of it later.
    @Test func anAnswerThatDoesNotCome() async throws {
        let site = try GatewaySite(submitTimeout: .milliseconds(100))
        let args = try GatewaySite.args()
        // Nobody works off the ledger.
        let error = await refusal { () async throws(JarviceError) in _ = try await site.gateway.submit(args) }
        #expect(error?.message.contains("taken back") == true)
        try await site.running {
            let order = try await site.ledger.newestOrder(JarviceGateway.gatewayName, "1001/1/n")
            #expect(order?.phase == .refused)
            #expect(site.slurm.state.withLockedValue { $0.submissions.isEmpty })
        }
    }

    @Test func jobsOfOthersAreUnknown() async throws {
        let site = try GatewaySite()
        try await site.running {
            let gateway = site.gateway
            func job(_ id: String) -> NamedJob { NamedJob(name: "n", number: "1", jobID: id) }
            #expect(try await gateway.runStatus(job("7")).text == "[null,null,null,null]")
            try await gateway.terminate(job("7"))
            #expect(site.slurm.state.withLockedValue { $0.cancelled.isEmpty })
            #expect(try await gateway.exitStatus(job("8")).text == "[-9,\"00:00:00\",[]]")
            #expect(try await gateway.exitStatus(job("x")).text == "[-9,\"00:00:00\",[]]")
            #expect(
                await refusal { () async throws(JarviceError) in _ = try await gateway.exitStatus(job("7")) } != nil)
            #expect(await refusal { () async throws(JarviceError) in _ = try await gateway.release(job("7")) } != nil)
            #expect(await refusal { () async throws(JarviceError) in _ = try await gateway.events(job("7")) } != nil)
            _ = try await gateway.submit(try GatewaySite.args())
            #expect(try await gateway.runStatus(job("101")).text == "[[\"\"],\"00:00:00\",\"n/1/101\",null]")
            #expect(try await gateway.events(job("101")).hasPrefix("JobId=101\n"))
            let running = await refusal { () async throws(JarviceError) in _ = try await gateway.exitStatus(job("101"))
            }
            #expect(running?.code == .wrongState)
            try await gateway.terminate(job("101"))
            #expect(site.slurm.state.withLockedValue { $0.cancelled } == [101])
        }
    }

    /// The answer is what came of the first try; the job ends all the same.
    @Test func whatIsEndedWhileSlurmIsAwayEnds() async throws {
        let site = try GatewaySite()
        try await site.running {
            let gateway = site.gateway
            let job = NamedJob(name: "n", number: "1", jobID: "101")
            _ = try await gateway.submit(try GatewaySite.args())
            site.slurm.state.withLockedValue { $0.isUp = false }
            for _ in 0..<2 {
                let away = await refusal { () async throws(JarviceError) in try await gateway.terminate(job) }
                #expect(away == JarviceError(.unavailable, "away"))
            }
            site.slurm.state.withLockedValue { $0.isUp = true }
            // Nobody asks again.
            try await waitUntil { site.slurm.state.withLockedValue { !$0.cancelled.isEmpty } }
            #expect(site.slurm.state.withLockedValue { $0.cancelled } == [101])
        }
    }

    /// Upstream hears of it in time, whatever hangs.
    @Test func anEndThatHangs() async throws {
        let site = try GatewaySite(change: { $0.slurmTimeout = .milliseconds(50) })
        // Nobody works off the ledger.
        let order = JobOrder(gateway: JarviceGateway.gatewayName, externalID: "1001/1/n", request: [1])
        try await site.ledger.accept(order)
        var seen = JobObservation(
            source: .controller, time: 1, key: JobKey(101), jobID: 101, submitTime: 4_000_000_000,
            state: SchedulerState(.running), startTime: 4_000_000_000)
        seen.details.adminComment = try await site.ledger.order(order.gateway, order.externalID, claim: 1)?.tag
        _ = try await site.ledger.fold(Ledger.Intake(observations: [seen]))
        let job = NamedJob(name: "n", number: "1", jobID: "101")
        let error = await refusal { () async throws(JarviceError) in try await site.gateway.terminate(job) }
        #expect(error == JarviceError(.unavailable, "slurmctld does not answer within 0.05 seconds"))
        site.ledger.close()
    }

    @Test func held() async throws {
        let site = try GatewaySite()
        try await site.running {
            let gateway = site.gateway
            let job = NamedJob(name: "n", number: "1", jobID: "101")
            site.slurm.state.withLockedValue { $0.isHeld = true }
            _ = try await gateway.submit(try GatewaySite.args())
            try await waitUntil {
                try await site.ledger.newestOrder(JarviceGateway.gatewayName, jobID: 101)?.phase == .released
            }
            let before = site.slurm.state.withLockedValue { $0.released.count }
            try await gateway.release(job)
            #expect(site.slurm.state.withLockedValue { $0.released.count } == before + 1)
            site.slurm.state.withLockedValue { $0.isHeld = false }
            await gateway.index.changed()
            try await gateway.release(job)
            #expect(site.slurm.state.withLockedValue { $0.released.count } == before + 1)
        }
    }

    @Test func listsAreShared() async throws {
        let site = try GatewaySite()
        try await site.running {
            _ = try await site.gateway.submit(try GatewaySite.args())
            for _ in 0..<100 { _ = try await site.gateway.queued() }
            #expect(try await site.gateway.queued() == "[[\"x\",\"101\"]]\n")
            #expect(site.slurm.state.withLockedValue { $0.lists } < 50)
            site.slurm.state.withLockedValue { $0.isUp = false }
            await site.gateway.index.changed()
            let away = await refusal { () async throws(JarviceError) in _ = try await site.gateway.running() }
            #expect(away?.code == .unavailable)
        }
    }

    // MARK: answers

    private func answer(
        _ site: GatewaySite, _ method: String, _ target: String, _ args: String? = nil, key: String? = nil,
        length: Int? = nil
    ) async throws -> Answer {
        var request = CallRequest(method: method, target: target)
        request.contentType = "application/x-www-form-urlencoded"
        request.contentLength = length
        let dispatcher = Dispatcher(handler: site.gateway, access: ServerAccess(key: key))
        return try await dispatcher.answer(request) { args.map { Array("args=\($0)".utf8) } ?? [] }
    }

    @Test func answers() async throws {
        let site = try GatewaySite()
        try await site.running {
            #expect(try await answer(site, "GET", "/live", key: "u:p").status == 401)
            #expect(try await answer(site, "GET", "/gc").body == "{\"status\":\"OK\"}\n")
            #expect(try await answer(site, "GET", "/nodes") == Answer(200, "true"))
            #expect(try await answer(site, "POST", "/online").body == "true\n")
            #expect(try await answer(site, "GET", "/running").body == "[]\n")
            for args in [nil, "{", "[]", "{}", "{\"name\":\"a\",\"number\":1,\"jobid\":7}"] {
                for call in ["runstatus", "exitstatus", "terminate", "release", "events"] {
                    #expect(try await answer(site, "POST", "/\(call)", args).status == 500, "\(call) \(args ?? "")")
                }
            }
            #expect(try await answer(site, "POST", "/submit", "{}", length: 9 << 20).status == 413)
            let qs = "{\"qs\":{}}"
            #expect(try await answer(site, "POST", "/request/a/b/1/tail", "{}").status == 500)
            #expect(try await answer(site, "POST", "/request/a/b/1/Ping", qs) == Answer(200))
            #expect(try await answer(site, "POST", "/request/a/b/1/tail", qs) == Answer(404))
            #expect(try await answer(site, "POST", "/request/a/b/1", qs) == Answer(400))
            #expect(try await answer(site, "POST", "/request/a/b/1/abort", qs) == Answer(200))
            #expect(
                try await answer(site, "POST", "/request/a/b/1/info", qs).body
                    == "{\"about\":\"\",\"actions\":{},\"help\":\"\",\"url\":\"\"}\n")
            #expect(try await answer(site, "POST", "/request/pvcls/", qs).status == 401)
            site.slurm.state.withLockedValue { $0.isUp = false }
            let bad = try await answer(site, "GET", "/gc")
            #expect(bad.status == 500 && bad.body == "{\"status\":\"BAD\"}\n" && bad.type == "application/json")
        }
    }
}
