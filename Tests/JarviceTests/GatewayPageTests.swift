// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import JobLifecycle
import NIOConcurrencyHelpers
import Testing

@testable import Jarvice

/// A wall clock that may be set, and one that never jumps.
private final class Clocks: Sendable {
    private let times = NIOLockedValueBox((wall: Date(), steady: Date()))

    var now: @Sendable () -> Date { { [times] in times.withLockedValue { $0.wall } } }
    var steady: @Sendable () -> Date { { [times] in times.withLockedValue { $0.steady } } }

    func set(by seconds: Double) { times.withLockedValue { $0.wall += seconds } }

    func pass(_ seconds: Double) {
        times.withLockedValue {
            $0.wall += seconds
            $0.steady += seconds
        }
    }
}

@Suite("Interactive jobs and what jobs leave, at the gateway")
struct GatewayPageTests {
    private func job(_ id: UInt32) -> NamedJob { NamedJob(name: "n", number: "1", jobID: "\(id)") }

    @Test("a job has a page while it runs, for whoever knows its secret")
    func pages() async throws {
        let site = try GatewaySite(change: { $0.jobsDomain = try? JobsDomain("h/job$") })
        try await site.running {
            let gateway = site.gateway
            _ = try await gateway.submit(try GatewaySite.args(isInteractive: true))
            _ = try await gateway.submit(try GatewaySite.args("batch"))
            #expect(try await gateway.url(job(101)) == nil)
            site.slurm.state.withLockedValue { $0.running = [101, 102] }
            await gateway.index.changed()
            let url = try #require(try await gateway.url(job(101)))
            let secret = String(url.split(separator: "/").last ?? "")
            #expect(url == "https://h/job101/\(secret)/" && secret.utf8.count == 32)
            #expect(try await gateway.url(job(102)) == nil)
            #expect(try await gateway.url(job(7)) == nil)
            // Slurm alone says where the node is.
            await #expect(throws: JarviceError.self) { try await gateway.place(of: 101, secret: secret) }
            #expect(try await gateway.place(of: 101, secret: String(secret.reversed())) == nil)
            #expect(try await gateway.place(of: 101, secret: "") == nil)
            #expect(try await gateway.place(of: 102, secret: secret) == nil)
            #expect(try await gateway.place(of: 103, secret: secret) == nil)
            site.slurm.state.withLockedValue { $0.running = [] }
            await gateway.index.changed()
            #expect(try await gateway.place(of: 101, secret: secret) == nil)
            #expect(try await gateway.url(job(101)) == nil)
        }
    }

    @Test("where the node is, is slurmctld's word")
    func addresses() async throws {
        let site = try GatewaySite(change: {
            $0.jobsDomain = try? JobsDomain("h")
            $0.servicePort = 2300
        })
        try await site.running {
            let gateway = site.gateway
            _ = try await gateway.submit(try GatewaySite.args(isInteractive: true))
            site.slurm.state.withLockedValue {
                ($0.running, $0.addresses) = ([101], ["n1": "10.0.0.1", "n2": "10.0.0.2"])
            }
            await gateway.index.changed()
            let secret = String(try #require(try await gateway.url(job(101))).split(separator: "/").last ?? "")
            #expect(
                try await gateway.place(of: 101, secret: secret) == PagePlace(address: "10.0.0.1", port: 2300))
        }
    }

    @Test("what jobs left goes a day after their end, each once, and not while the helper is away")
    func removal() async throws {
        let files = FakeFiles()
        let now = NIOLockedValueBox(Date())
        let site = try GatewaySite(files: files, now: { now.withLockedValue { $0 } })
        try await site.running {
            let gateway = site.gateway
            _ = try await gateway.submit(try GatewaySite.args())
            _ = try await gateway.submit(try GatewaySite.args("open"))
            var end = try #require(site.slurm.state.withLockedValue { $0.jobs[101] })
            end.state = SchedulerState(.completed)
            end.startTime = end.submitTime
            end.endTime = end.submitTime
            _ = try await site.ledger.fold(Ledger.Intake(observations: [end]))
            #expect(try await site.ledger.transitions(ofLedgerJob: 1).last?.isFinal == true)
            func removed() async throws -> [String] {
                _ = try await gateway.removeOutputs()
                return files.state.withLockedValue { $0.asked }
            }
            #expect(try await removed() == [])
            now.withLockedValue { $0 += 90_000 }
            files.state.withLockedValue { $0.isAway = true }
            await #expect(throws: JarviceError.self) { try await gateway.removeOutputs() }
            files.state.withLockedValue { $0.isAway = false }
            let wanted = ["remove /home/alice/.jarvice/n.out 1001", "remove /home/alice/.jarvice/jobs/101/ 1001"]
            #expect(try await removed() == wanted)
            #expect(try await removed() == wanted)
        }
    }

    @Test("a wall clock that is set forward by years removes nothing")
    func removalByAWrongClock() async throws {
        let (files, clocks) = (FakeFiles(), Clocks())
        let site = try GatewaySite(files: files, now: clocks.now, steady: clocks.steady)
        try await site.running {
            _ = try await site.gateway.submit(try GatewaySite.args())
            try await site.end(101)
            clocks.set(by: 3 * 365 * 86_400)
            _ = try await site.gateway.removeOutputs()
            #expect(files.state.withLockedValue { $0.asked } == [])
            // So much time has really passed, and the clock is believed; when the job ended is not known by it.
            clocks.pass(90_000)
            _ = try await site.gateway.removeOutputs()
            #expect(files.state.withLockedValue { $0.asked } == [])
            clocks.pass(90_000)
            _ = try await site.gateway.removeOutputs()
            #expect(files.state.withLockedValue { $0.asked.count } == 2)
        }
    }

    @Test("a wall clock that was behind, and is put right, removes nothing of a job that has just ended")
    func removalAfterAClockThatWasBehind() async throws {
        let (files, clocks) = (FakeFiles(), Clocks())
        let site = try GatewaySite(files: files, now: clocks.now, steady: clocks.steady)
        try await site.running {
            clocks.set(by: -3 * 86_400)
            _ = try await site.gateway.submit(try GatewaySite.args())
            try await site.end(101)
            clocks.set(by: 3 * 86_400)
            _ = try await site.gateway.removeOutputs()
            #expect(files.state.withLockedValue { $0.asked } == [])
            clocks.pass(90_000)
            _ = try await site.gateway.removeOutputs()
            #expect(files.state.withLockedValue { $0.asked.count } == 2)
        }
    }

    @Test("an end that was dated by a clock that was ahead keeps no output after it from its removal")
    func removalAfterAWrongDate() async throws {
        let files = FakeFiles()
        let now = NIOLockedValueBox(Date())
        let site = try GatewaySite(files: files, now: { now.withLockedValue { $0 } })
        try await site.running {
            _ = try await site.gateway.submit(try GatewaySite.args())
            _ = try await site.gateway.submit(try GatewaySite.args("other"))
            // Of the first one, as the clock had it; then of the second, on a right one.
            try await site.end(101)
            try await site.end(102)
            try await site.misdate(by: 365 * 86_400)
            now.withLockedValue { $0 += 90_000 }
            _ = try await site.gateway.removeOutputs()
            #expect(files.state.withLockedValue { $0.asked.count } == 2)
        }
    }

    @Test("folders are listed as the token's user, or as the one that is configured")
    func listing() async throws {
        for (user, hasToken, status, asked) in [
            (nil, false, 401, nil), (nil, true, 200, "list /pv 1001 true"), ("alice", false, 200, "list /pv 1001 true"),
            ("low", false, 500, nil), ("nobody", false, 500, nil),
        ] as [(String?, Bool, Int, String?)] {
            let files = FakeFiles()
            let site = try GatewaySite(files: files, change: { $0.listingUser = user })
            try await site.running {
                let token = hasToken ? try GatewaySite.args()["bearer"]?.string ?? "" : nil
                let bearer = token.map { ",\"bearer\":\"\($0)\"" } ?? ""
                let args = "args={\"qs\":{\"path\":[\"/pv\"],\"details\":[\"True\"]}\(bearer)}"
                var request = CallRequest(method: "POST", target: "/request/pvcls")
                request.contentType = "application/x-www-form-urlencoded"
                let answer = try await Dispatcher(handler: site.gateway, access: ServerAccess(key: nil))
                    .answer(request) { Array(args.utf8) }
                #expect(answer.status == status && files.state.withLockedValue { $0.asked.first } == asked)
                if status == 200 { #expect(answer.body == "/data/pv/" && answer.type == Answer.html) }
            }
        }
    }
}
