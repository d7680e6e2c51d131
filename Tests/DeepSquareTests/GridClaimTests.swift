// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@testable import DeepSquare
@testable import JobLifecycle

@Suite("What is done for a claim")
struct GridClaimTests {
    typealias Act = ClaimStage.Act

    struct Case: CustomTestStringConvertible {
        var name: String
        var acts: [Act]
        var steps: [String]

        init(_ name: String, _ acts: [Act], _ steps: [String]) {
            self.name = name
            self.acts = acts
            self.steps = steps
        }

        var testDescription: String { name }
    }

    static let queued: [Act] = [.accepted, .submitted, .pending]
    static let runs: [Act] = queued + [.running]
    /// Its Running is being reported.
    static let told: [Act] = runs + [.sent]
    static let onChain: [Act] = told + [.succeeded(.running)]
    static let fiveMinutes = Act.ended(.completed, 300, exit: 0)
    static let lost = "the cluster lost the job: neither Slurm nor its accounting knows it"
    static let takenBack = "withdraw: the chain took the job back"

    /// From the claim to the end, and what Slurm's words become.
    static let life: [Case] = [
        Case("a new claim is decided on", [], ["decide"]),
        Case("a claim from before the first start is looked for first", [.unexamined], ["examine"]),
        Case("somebody else runs it: it is looked for", [.chain(.running)], ["examine"]),
        Case("the contract says that somebody else runs it", [.word(.running, start: 0)], ["examine"]),
        Case("an order waits for Slurm", [.accepted], ["wait 1800"]),
        Case(
            "an order that Slurm did not get in time is taken back", [.accepted, .after(1800)],
            ["withdraw: the cluster's scheduler was not to be reached for too long"]),
        Case(
            "an order is not taken back by a clock that was set forward", [.accepted, .after(60), .clockSet(100_000)],
            ["wait 101800"]),
        Case(
            "an order that was made under such a clock is, in time", [.clockSet(100_000), .accepted, .after(1800)],
            ["withdraw: the cluster's scheduler was not to be reached for too long"]),
        Case(
            "an order that waited for a place has its time from then on", [.after(1700), .accepted, .after(300)],
            ["wait 3500"]),
        Case("nothing is reported of a job in the queue", queued, []),
        Case("a job in the queue may wait there longer than orders do", queued + [.after(100_000)], []),
        Case("a start is reported", runs, ["send Running"]),
        Case("a start is reported once", told, []),
        Case("a running job needs nothing", onChain, []),
        Case("suspensions are nothing to the chain", onChain + [.suspended, .resumed], []),
        Case("a good end", onChain + [fiveMinutes], ["send Finished 5 exit 0"]),
        Case("an end is reported once", onChain + [fiveMinutes, .sent], []),
        Case("reported, so over", onChain + [fiveMinutes, .sent, .succeeded(.end)], ["close"]),
        Case("nothing more once it is closed", onChain + [fiveMinutes, .sent, .succeeded(.end), .closed], []),
        Case(
            "a failure, with Slurm's exit code", onChain + [.ended(.failed, 300, exit: 256)],
            ["send Failed 5 exit 256: the job failed with exit code 1"]),
        Case(
            "the time limit", onChain + [.ended(.timeout, 300, exit: 0)],
            ["send OutOfCredits 5 exit 0: the job reached its time limit"]),
        Case(
            "out of memory is not Finished", onChain + [.ended(.outOfMemory, 120, exit: 9)],
            ["send Failed 2 exit 9: the job ran out of memory"]),
        Case("vanished while it ran", onChain + [.vanished], ["send Panicked 0 exit 0: \(lost)"]),
        Case("vanished from the queue", queued + [.vanished], ["send Panicked 0 exit 0: \(lost)"]),
        Case(
            "less than a minute reports 0: the contract makes it 1", onChain + [.ended(.completed, 59, exit: 0)],
            ["send Finished 0 exit 0"]),
        Case(
            "ended in the queue: all credits go back", queued + [.ended(.cancelled, 0, exit: 0)],
            ["send Cancelled 0 exit 0: the job was cancelled"]),
        Case(
            "never started, and failed", queued + [.ended(.bootFail, 0, exit: 0)],
            ["send Failed 0 exit 0: the job's nodes did not boot"]),
        Case(
            "no start was seen, and it completed: Finished is only taken of a running job",
            queued + [.ended(.completed, 120, exit: 0)], ["send Running", "send Finished 2 exit 0"]),
        Case(
            "no start was seen, and it timed out", queued + [.ended(.timeout, 60, exit: 0)],
            ["send Running", "send OutOfCredits 1 exit 0: the job reached its time limit"]),
        Case("an earlier transition told once more counts once", runs + [.again, .sent, .succeeded(.running)], []),
        Case(
            "requeued by an administrator: the minutes of all runs are paid",
            onChain + [.requeued(300), .pending, .running, .ended(.completed, 400, exit: 0)],
            ["send Finished 11 exit 0"]),
        Case(
            "a requeue of unknown length adds nothing", onChain + [.requeued(nil), .running, fiveMinutes],
            ["send Finished 5 exit 0"]),
        Case(
            "a requeue that slurmctld takes back: the run's minutes are paid once",
            onChain + [.requeued(300), .pending, .restored(300), .ended(.completed, 780, exit: 0)],
            ["send Finished 13 exit 0"]),
        Case(
            "and of a job that was put back before, and after",
            onChain + [
                .requeued(120), .running, .requeued(60), .restored(60), .requeued(180), .running,
                .ended(.completed, 60, exit: 0),
            ], ["send Finished 6 exit 0"]),
        Case(
            "a requeue of unknown length is taken back", onChain + [.requeued(nil), .restored(nil), fiveMinutes],
            ["send Finished 5 exit 0"]),
        Case("a requeue that slurmctld takes back is no news", onChain + [.requeued(300), .restored(300)], []),
        Case(
            "told once more, it counts once",
            onChain + [
                .requeued(300), .running, .requeued(60), .restored(60), .again, .ended(.completed, 60, exit: 0),
            ],
            ["send Finished 6 exit 0"]),
        Case("the start of a second run is no news", onChain + [.requeued(300), .pending, .running], []),
    ]

    static let reportedEnd: [Act] = onChain + [fiveMinutes, .sent, .succeeded(.end), .closed]
    static let givenBack: [Act] = [.refused("no room"), .sent, .succeeded(.refuse), .closed]
    /// The chain loses the blocks of reports that were over, and what it says of them then.
    static let lostBlocks: [Case] = [
        Case("the end's block is lost: it is waited for", reportedEnd + [.blockLost(attempt: 2)], []),
        Case(
            "and mined again: over", reportedEnd + [.blockLost(attempt: 2), .succeeded(.end)], ["close"]),
        Case(
            "the contract refuses it now: it is asked", reportedEnd + [.blockLost(attempt: 2), .reverted(.end)],
            ["read"]),
        Case(
            "the job runs on the chain: its end is decided again",
            reportedEnd + [.blockLost(attempt: 2), .reverted(.end), .word(.running, start: 0)],
            ["send Finished 5 exit 0"]),
        Case(
            "the provider may not report: it waits",
            reportedEnd + [.blockLost(attempt: 2), .reverted(.end), .word(.running, start: 0), .approved(false)], []),
        Case(
            "somebody else ended it: over",
            reportedEnd + [.blockLost(attempt: 2), .reverted(.end), .word(.cancelled, start: 0)], ["close"]),
        Case(
            "both blocks are lost, and the contract takes neither",
            reportedEnd + [
                .blockLost(attempt: 2), .blockLost(attempt: 1), .reverted(.running), .reverted(.end),
                .word(.scheduled, start: 0), .after(4),
            ],
            ["send Running", "send Finished 5 exit 0"]),
        Case("another attempt's block is none of its", reportedEnd + [.blockLost(attempt: 7)], []),
        Case("Running's block is lost: it is waited for", onChain + [.blockLost(attempt: 1)], []),
        Case(
            "Running is not taken any more: the contract is asked, then told again",
            onChain + [.blockLost(attempt: 1), .reverted(.running), .word(.scheduled, start: 0)], ["send Running"]),
        Case(
            "Failed waits for a Running whose block was lost",
            onChain + [.blockLost(attempt: 1), .ended(.failed, 300, exit: 256)], []),
        Case("a return's block is lost", givenBack + [.blockLost(attempt: 1)], []),
        Case(
            "and the return is not taken any more",
            givenBack + [.blockLost(attempt: 1), .reverted(.refuse), .word(.scheduled, start: 0)], ["refuse: no room"]),
        Case("and taken again", givenBack + [.blockLost(attempt: 1), .succeeded(.refuse)], ["close"]),
    ]

    /// Reports that overtake, fail, or cannot be sent.
    static let reports: [Case] = [
        Case(
            "\"W3: a lost RUNNING\": start and end in one go when nothing was sent yet", runs + [fiveMinutes],
            ["send Running", "send Finished 5 exit 0"]),
        Case("Finished goes out behind Running in flight", told + [fiveMinutes], ["send Finished 5 exit 0"]),
        Case(
            "Failed waits for Running: from Scheduled it would be taken, and nothing paid",
            told + [.ended(.failed, 300, exit: 256)], []),
        Case(
            "Failed behind Running", told + [.ended(.failed, 300, exit: 256), .succeeded(.running)],
            ["send Failed 5 exit 256: the job failed with exit code 1"]),
        Case("Cancelled waits for Running", told + [.ended(.cancelled, 300, exit: 15)], []),
        Case("Panicked waits for Running", told + [.vanished], []),
        Case(
            "Failed after nothing was sent: Running goes first, alone", runs + [.ended(.failed, 300, exit: 256)],
            ["send Running"]),
        Case("Running without effect: the contract is asked", told + [.reverted(.running)], ["read"]),
        Case(
            "Running without effect, and the contract says Scheduled: again",
            told + [.reverted(.running), .word(.scheduled, start: 0)], ["send Running"]),
        Case(
            "Running without effect, and the contract says Running: done",
            told + [.reverted(.running), .word(.running, start: 0)], []),
        Case(
            "Running without effect, for the contract says Cancelled: scancel",
            told + [.reverted(.running), .word(.cancelled, start: 0)], ["cancel 7"]),
        Case(
            "\"JobProviderOnly\": another provider has it", told + [.reverted(.running), .foreignWord], ["cancel 7"]),
        Case("given back by the bot", told + [.reverted(.running), .word(.pending, start: 0)], ["cancel 7"]),
        Case(
            "with us again, not claimed yet", told + [.reverted(.running), .word(.metaScheduled, start: 0)],
            ["cancel 7"]),
        Case(
            "the contract is asked when nothing is in flight any more",
            told + [fiveMinutes, .sent, .reverted(.running)], []),
        Case(
            "both without effect: one question",
            told + [fiveMinutes, .sent, .reverted(.running), .reverted(.end)], ["read"]),
        Case(
            "\"a lost running report must be repaired by sending Running first\"; not at once after two failures",
            told + [fiveMinutes, .sent, .reverted(.running), .reverted(.end), .word(.scheduled, start: 0)],
            ["wait 4"]),
        Case(
            "Running, then the end, after the wait",
            told + [
                fiveMinutes, .sent, .reverted(.running), .reverted(.end), .word(.scheduled, start: 0), .after(4),
            ],
            ["send Running", "send Finished 5 exit 0"]),
        Case(
            "the end without effect, and the contract says Running: again",
            onChain + [fiveMinutes, .sent, .reverted(.end), .word(.running, start: 0)], ["send Finished 5 exit 0"]),
        Case(
            "\"SameStatusError\": what was wanted holds, whoever did it",
            onChain + [fiveMinutes, .sent, .reverted(.end), .word(.finished, start: 0)], ["close"]),
        Case(
            "\"JobHotStatusOnly\": the contract has another end",
            onChain + [fiveMinutes, .sent, .reverted(.end), .word(.panicked, start: 0)], ["close"]),
        Case(
            "a newer block says Scheduled after Running was final: that block is gone",
            onChain + [fiveMinutes, .sent, .reverted(.end), .word(.scheduled, start: 0)],
            ["send Running", "send Finished 5 exit 0"]),
        Case("\"ProviderNotJoined\": nothing is sent", [.approved(false)] + runs, []),
        Case("not approved: ends wait too", onChain + [.approved(false), fiveMinutes], []),
        Case(
            "approved again: all in its order", [.approved(false)] + runs + [fiveMinutes, .approved(true)],
            ["send Running", "send Finished 5 exit 0"]),
        Case("not approved: Slurm goes on", [.approved(false)] + queued + [.topUp(5, log: 1)], ["limit 7 65"]),
        Case("not approved: the contract is not asked either", told + [.reverted(.running), .approved(false)], []),
        Case(
            "the event of our own Running comes before its receipt", told + [.chain(.running)], []),
        Case(
            "Failed behind Running, which the event has told",
            told + [.chain(.running), .ended(.failed, 60, exit: 256)],
            ["send Failed 1 exit 256: the job failed with exit code 1"]),
        Case("Running by the event of it: not sent again", runs + [.chain(.running)], []),
    ]

    /// "a job whose Running was put on chain late … is paid 0": ends that wait for the contract's clock.
    static let holds: [Case] = [
        Case("a long job behind Running in flight waits for its block", told + [.ended(.timeout, 3600, exit: 0)], []),
        Case(
            "then its time is asked for", told + [.ended(.timeout, 3600, exit: 0), .succeeded(.running)], ["read"]),
        Case(
            "then the wall time has to catch up",
            told + [
                .after(3600), .ended(.timeout, 3600, exit: 0), .succeeded(.running), .word(.running, start: 3540),
            ],
            ["hold 6300 for 45"]),
        Case(
            "when it has, all is reported",
            told + [
                .after(3600), .ended(.timeout, 3600, exit: 0), .succeeded(.running), .word(.running, start: 3540),
                .after(2700),
            ],
            ["send OutOfCredits 60 exit 0: the job reached its time limit"]),
        Case(
            "an end waits no longer than configured",
            onChain + [.after(3600), .ended(.completed, 10_800, exit: 0), .word(.running, start: 0)],
            ["hold 7200 for 106"]),
        Case(
            "then what the contract pays is reported",
            onChain + [.after(3600), .ended(.completed, 10_800, exit: 0), .word(.running, start: 0), .after(3600)],
            ["send Finished 134 exit 0"]),
        Case(
            "reported in time: no wait",
            onChain + [.word(.running, start: 0), .after(7200), .ended(.completed, 7200, exit: 0)],
            ["send Finished 120 exit 0"]),
    ]

    /// Cancels and top-ups.
    static let customers: [Case] = [
        Case("cancelled while its script is fetched", [.chain(.cancelled)], ["close"]),
        Case("cancelled before Slurm has it", [.accepted, .chain(.cancelled)], [takenBack]),
        Case(
            "taken back before Slurm had it: nothing is refused on the chain",
            [.accepted, .chain(.cancelled), .refusedBySlurm("the chain took the job back", .withdrawn)], ["close"]),
        Case(
            "cancelled before Slurm has it, and too late for that",
            [.accepted, .chain(.cancelled), .submitted], ["cancel 7"]),
        Case("\"W10: a cancel while Scheduled is unnoticed\"", queued + [.chain(.cancelled)], ["cancel 7"]),
        Case("scancel once", queued + [.chain(.cancelled), .cancelled], []),
        Case(
            "cancelled, and Slurm's word of it: nothing to report",
            queued + [.chain(.cancelled), .cancelled, .ended(.cancelled, 0, exit: 0)], ["close"]),
        Case("a customer's cancel of a running job", onChain + [.cancelRequest], ["cancel 7"]),
        Case("the contract tells of a cancel that no event did", onChain + [.cancelWord(start: 0)], ["cancel 7"]),
        Case("scancel of a running job, once", onChain + [.cancelRequest, .cancelled], []),
        Case(
            "a cancel of a running job pays what it ran",
            onChain + [.cancelRequest, .cancelled, .ended(.cancelled, 120, exit: 15)],
            ["send Cancelled 2 exit 15: the job was cancelled"]),
        Case(
            "\"W9: a cancel of a job which has finished\" is nothing", onChain + [fiveMinutes, .cancelRequest],
            ["send Finished 5 exit 0"]),
        Case(
            "a cancel that the job outran", onChain + [.cancelRequest, .cancelled, fiveMinutes],
            ["send Finished 5 exit 0"]),
        Case(
            "scancel again for the next run", onChain + [.cancelRequest, .cancelled, .requeued(60)], ["cancel 7"]),
        Case(
            "a cancel when Slurm has no number yet", [.accepted, .cancelRequest],
            ["withdraw: the customer cancelled the job"]),
        Case(
            "a cancel of a job that Slurm lost and has again",
            [.accepted, .submitted, .cancelRequest, .cancelled, .submittedAgain],
            ["cancel 8"]),
        Case("topped up before Slurm has it", [.topUp(30, log: 1), .accepted], ["wait 1800"]),
        Case("topped up before Slurm had it", [.topUp(30, log: 1), .accepted, .submitted], ["limit 7 90"]),
        Case("topped up in the queue", queued + [.topUp(30, log: 1)], ["limit 7 90"]),
        Case("topped up, and done", queued + [.topUp(30, log: 1), .limited], []),
        Case("topped up while it runs", onChain + [.topUp(30, log: 1)], ["limit 7 90"]),
        Case("topped up twice", onChain + [.topUp(30, log: 1), .topUp(20, log: 2)], ["limit 7 110"]),
        Case("\"second event says 0 minutes\"", onChain + [.topUp(30, log: 1), .limited, .topUp(0, log: 2)], []),
        Case("the same top-up told twice", onChain + [.topUp(30, log: 1), .topUp(30, log: 1)], ["limit 7 90"]),
        Case("topped up after the end", onChain + [fiveMinutes, .topUp(30, log: 1)], ["send Finished 5 exit 0"]),
        Case("topped up and cancelled", onChain + [.topUp(30, log: 1), .cancelRequest], ["cancel 7"]),
        Case(
            "more than can be counted", onChain + [.topUp(.max, log: 1), .topUp(5, log: 2)],
            ["limit 7 18446744073709551615"]),
        Case(
            "a top-up together with the start", runs + [.topUp(30, log: 1)], ["limit 7 90", "send Running"]),
    ]

    /// Claims that become no job.
    static let refusals: [Case] = [
        Case("refused", [.refused("no such user")], ["refuse: no such user"]),
        Case("refused, once", [.refused("no such user"), .sent], []),
        Case("refused, so over", [.refused("no such user"), .sent, .succeeded(.refuse)], ["close"]),
        Case("failed", [.failed("no script")], ["send Failed 0 exit 0: no script"]),
        Case("failed, so over", [.failed("no script"), .sent, .succeeded(.end)], ["close"]),
        Case("refused and not approved", [.approved(false), .refused("no such user")], []),
        Case("refused without effect", [.refused("no such user"), .sent, .reverted(.refuse)], ["read"]),
        Case(
            "refused without effect, and still ours: again",
            [.refused("no such user"), .sent, .reverted(.refuse), .word(.scheduled, start: 0)],
            ["refuse: no such user"]),
        Case(
            "refused, and the bot was faster",
            [.refused("no such user"), .sent, .reverted(.refuse), .word(.pending, start: 0)], ["close"]),
        Case("the chain took it back before it was refused", [.refused("no such user"), .chain(.pending)], ["close"]),
        Case(
            "the chain took it back while it was being refused",
            [.refused("no such user"), .sent, .chain(.cancelled)], []),
        Case(
            "what Slurm refuses goes back to the pool",
            [.accepted, .refusedBySlurm("no such partition", .scheduler)], ["refuse: no such partition"]),
        Case(
            "what may be a job or not is failed, not given to another provider",
            [.accepted, .refusedBySlurm("cannot be known", .doubt)], ["send Failed 0 exit 0: cannot be known"]),
        Case(
            "taken back from Slurm goes back to the pool",
            [.accepted, .after(1800), .refusedBySlurm("for too long", .withdrawn)], ["refuse: for too long"]),
    ]

    @Test(arguments: life + reports + lostBlocks + holds + customers + refusals)
    func steps(_ row: Case) throws {
        var stage = ClaimStage()
        for act in row.acts {
            stage.take(act)
            // A claim that the disk gives back is the same one.
            let reloaded = try stage.reloaded()
            #expect(reloaded.claim == stage.claim)
            #expect(reloaded.steps == stage.steps)
        }
        #expect(stage.steps == row.steps)
    }

    /// What is told before others change the job's status, what the chain may say then, and the one step that follows.
    static let phases: [(name: String, acts: [Act], step: String)] = [
        ("ordered", [.accepted], takenBack), ("in the queue", queued, "cancel 7"),
        ("running", runs, "cancel 7"), ("Running in flight", told, "cancel 7"),
        ("Running on the chain", onChain, "cancel 7"), ("requeued", onChain + [.requeued(60)], "cancel 7"),
        ("restored", onChain + [.requeued(60), .restored(60)], "cancel 7"),
        ("topped up", onChain + [.topUp(5, log: 1)], "cancel 7"), ("ended", onChain + [fiveMinutes], "close"),
        ("refused", [.refused("no")], "close"),
    ]

    @Test(
        "others end the job, or take it from us: scancel at once, and nothing is reported",
        arguments: phases.indices, [ChainJobStatus.pending, .cancelled, .finished, .failed, .outOfCredits, .panicked])
    func takenAway(_ phase: Int, _ status: ChainJobStatus) {
        let (name, acts, step) = Self.phases[phase]
        #expect(ClaimStage(acts + [.chain(status)]).steps == [step], "\(name), \(status)")
        #expect(ClaimStage(acts + [.word(status, start: 0)]).steps == [step], "\(name), read as \(status)")
    }

    @Test("the chain's last word waits for reports in flight, then for nothing")
    func lastWord() {
        let told = ClaimStage(Self.told + [.chain(.panicked), .cancelled, .ended(.cancelled, 0, exit: 0)])
        #expect(told.steps == [])
        var reverted = told
        reverted.take(.reverted(.running))
        #expect(reverted.claim.running?.state == .done)
        #expect(reverted.steps == ["close"])

        var ended = ClaimStage(Self.onChain + [Self.fiveMinutes, .sent, .chain(.panicked)])
        #expect(ended.steps == [])
        ended.take(.reverted(.end))
        #expect(ended.steps == ["close"])
    }

    @Test(
        "transitions of the job's earlier claim are not this one's",
        arguments: [ChainJobStatus.pending, .metaScheduled, .cancelled, .failed, .panicked])
    func earlier(_ status: ChainJobStatus) {
        var stage = ClaimStage(Self.queued)
        let before = stage.claim
        stage.take(.chainBefore(status))
        #expect(stage.claim == before)
        var same = before
        let isNews = same.take(transitionTo: status, at: before.place, transaction: hash(1), now: 0)
        #expect(!isNews)
    }

    @Test("what the chain says of its own steps is no news, and a final status stays")
    func transitions() {
        var claim = ClaimStage(Self.queued).claim
        var isNews: [Bool] = []
        let told: [ChainJobStatus] = [.metaScheduled, .scheduled, .running, .running, .cancelled, .running]
        for (block, status) in told.enumerated() {
            let place = GridClaim.Place(block: 101 + UInt64(block), index: 0)
            isNews.append(claim.take(transitionTo: status, at: place, transaction: hash(1), now: 0))
        }
        #expect(isNews == [false, false, true, false, true, false])
        #expect(claim.chain.status == .cancelled)
        claim.closedAt = 1
        let isNewsAfterAll = claim.take(
            transitionTo: .pending, at: GridClaim.Place(block: 200, index: 0), transaction: hash(1), now: 0)
        #expect(!isNewsAfterAll)
    }

    @Test("reports that the chain does not take come later each time; one that it takes ends that")
    func backOff() {
        var claim = ClaimStage(Self.told).claim
        var waits: [Int64] = []
        for _ in 0..<11 {
            claim.reverted(.running, block: 0, transaction: hash(1), now: 1000)
            waits.append(max(0, claim.notBefore - 1000))
        }
        #expect(waits == [0, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300])
        claim.succeeded(.running, block: 0, transaction: hash(1), now: 1000)
        #expect(claim.failures == 0)
    }

    @Test("a clock that is set back by years makes no wait as long")
    func clockSetBack() {
        let stage = ClaimStage(Self.runs)
        var claim = stage.claim
        let right = stage.world
        claim.notBefore = right.now + 300
        #expect(claim.steps(right) == [.wait(until: right.now + 300)])
        claim.notBefore = right.now + 700_000_000
        #expect(claim.steps(right).contains { if case .send = $0 { true } else { false } })
        let now = Date(timeIntervalSince1970: 1000)
        var runner = ClaimRunner()
        #expect(runner.mayBegin(.decide, at: now) == .now)
        runner.pause(.decide, until: now + 30)
        #expect(runner.mayBegin(.decide, at: now) == .later(now + 30))
        runner.pause(.decide, until: now + 700_000_000)
        #expect(runner.mayBegin(.decide, at: now) == .now)
    }

    @Test(
        "a node that lags behind what the chain has said is not believed; nor is anybody about a claim that has a successor"
    )
    func laggingNode() {
        var claim = ClaimStage(Self.onChain).claim
        let word = ChainJob(
            id: claim.job, status: .metaScheduled, customer: claim.customer, provider: provider,
            definition: claim.definition)
        let before = claim
        let isTakenOfTheClaimsPast = claim.take(word, provider: provider, block: claim.place.block - 1)
        #expect(!isTakenOfTheClaimsPast && claim == before)
        claim.supersede()
        var running = word
        running.status = .running
        let isTakenOfItsSuccessor = claim.take(running, provider: provider, block: 10_000)
        #expect(!isTakenOfItsSuccessor && claim.chain.isOver)
    }

    @Test("each report has a number of its own")
    func attempts() {
        let stage = ClaimStage(
            Self.onChain + [Self.fiveMinutes, .sent, .reverted(.end), .word(.running, start: 0), .sent])
        #expect(stage.claim.running?.attempt == 1)
        #expect(stage.claim.final?.attempt == 3)
        #expect(stage.claim.attempts == 3)
    }

    @Test("\"after refuseJob the same provider can get the same job again\": only what we gave back counts as refused")
    func refusedBefore() {
        #expect(ClaimStage([.refused("no"), .sent]).claim.wasRefusedForGood)
        #expect(ClaimStage([.refused("no"), .sent, .succeeded(.refuse)]).claim.wasRefusedForGood)
        #expect(!ClaimStage([.refused("no"), .sent, .reverted(.refuse)]).claim.wasRefusedForGood)
        #expect(!ClaimStage([.failed("no"), .sent]).claim.wasRefusedForGood)
        #expect(!ClaimStage(Self.queued + [.chain(.pending)]).claim.wasRefusedForGood)
        // What may be otherwise soon is decided again.
        #expect(!ClaimStage([.refusedForNow("away"), .sent]).claim.wasRefusedForGood)
        let late: [Act] = [.accepted, .refusedBySlurm("for too long", .withdrawn), .sent]
        #expect(!ClaimStage(late).claim.wasRefusedForGood)
        #expect(ClaimStage([.accepted, .refusedBySlurm("no", .scheduler), .sent]).claim.wasRefusedForGood)
    }

    @Test("what a customer reads is no longer than the contract is given")
    func bounded() {
        let long = String(repeating: "é", count: 1000)
        guard case .send(let report) = ClaimStage([.failed(long)]).claim.steps(ClaimStage().world).first else {
            Issue.record("nothing is sent")
            return
        }
        #expect(report.words == Ending.bounded(long))
    }

    @Test("reports that wait for approval are counted, others are not")
    func waiting() {
        #expect(ClaimStage([.approved(false)] + Self.runs).claim.wantsToReport(ClaimStage([.approved(false)]).world))
        #expect(!ClaimStage([.approved(false)] + Self.queued).claim.wantsToReport(ClaimStage([.approved(false)]).world))
    }

    @Test("an exit as the wait status, or as shells tell it")
    func exitCodes() {
        let stage = ClaimStage(Self.onChain + [.ended(.failed, 0, exit: 9)])
        var world = stage.world
        world.exitCode = .code
        guard case .send(let report) = stage.claim.steps(world).first else {
            Issue.record("nothing is sent")
            return
        }
        #expect(report.exitCode == 137)
        #expect(report.words == "signal 9 ended the job")
    }

    /// A generator that always gives the same numbers.
    struct Seeded: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ state >> 29
        }
    }

    private static let anything: [Act] = [
        .after(1), .after(90), .after(4000), .approved(true), .approved(false), .accepted, .submitted, .pending,
        .running,
        .requeued(300), .restored(300), .ended(.completed, 4000, exit: 0), .ended(.failed, 60, exit: 256),
        .ended(.timeout, 3600, exit: 0), .ended(.cancelled, 90, exit: 15), .vanished, .chain(.running),
        .chain(.cancelled), .chain(.pending), .chainBefore(.pending), .word(.scheduled, start: 0),
        .word(.running, start: 60), .word(.finished, start: 0), .cancelRequest, .cancelWord(start: 0),
        .topUp(30, log: 1), .topUp(20, log: 2), .sent, .sent, .sent, .succeeded(.running), .succeeded(.end),
        .reverted(.running), .reverted(.end), .cancelled, .limited,
    ]

    @Test("whatever comes in whatever order", arguments: 0..<60 as Range<UInt64>)
    func anyOrder(_ seed: UInt64) throws {
        var random = Seeded(state: seed &* 0x9e37_79b9_7f4a_7c15 &+ 1)
        var stage = ClaimStage([.accepted])
        for _ in 0..<60 {
            guard let act = Self.anything.randomElement(using: &random) else { continue }
            // An outcome is only told of what is in flight.
            switch act {
            case .succeeded(let kind), .reverted(let kind):
                let report = kind == .running ? stage.claim.running : stage.claim.final
                if report?.state != .sent { continue }
            default: break
            }
            stage.take(act)
            let steps = stage.claim.steps(stage.world)
            var isRunningKnown = stage.claim.chain.status == .running || stage.claim.running?.state == .sent
            for step in steps {
                switch step {
                case .send(let report):
                    #expect(!stage.claim.chain.isOver && stage.isApproved)
                    if report.kind == .running {
                        #expect(!isRunningKnown)
                        isRunningKnown = true
                    } else {
                        #expect(stage.claim.final == nil)
                        if report.status == .finished || report.status == .outOfCredits { #expect(isRunningKnown) }
                    }
                case .cancel, .setLimit, .withdraw:
                    #expect(stage.claim.slurm.isLive)
                case .close:
                    #expect(stage.claim.chain.isOver && !stage.claim.slurm.isLive)
                    #expect(stage.claim.running?.state != .sent && stage.claim.final?.state != .sent)
                case .wait(let until), .hold(let until, _):
                    #expect(until > stage.world.now)
                case .examine, .decide, .read:
                    break
                }
            }
            #expect(try stage.reloaded().steps == stage.steps)
        }
    }
}
