// SPDX-License-Identifier: GPL-3.0-or-later

import Ethereum
import Foundation
import Testing

@testable import DeepSquare
@testable import JobLifecycle

@Suite("A claim's way, for people")
struct GridHistoryTests {
    typealias Act = ClaimStage.Act

    struct Case: CustomTestStringConvertible {
        var name: String
        var acts: [Act]
        /// Seconds since the claim, what, and the block of the transaction.
        var steps: [String]

        init(_ name: String, _ acts: [Act], _ steps: [String]) {
            self.name = name
            self.acts = acts
            self.steps = steps
        }

        var testDescription: String { name }
    }

    private static func words(_ claim: GridClaim) -> [String] {
        claim.timeline.map { step in
            let block = (100..<200 as Range<UInt64>).first { "\(ClaimStage.transaction($0))" == step.transaction }
            return "\(step.at - ClaimStage.epoch) \(step.what)" + (block.map { " #\($0)" } ?? "")
        }
    }

    private static let queued: [Act] = [.after(1), .accepted, .submitted, .pending]
    private static let runs = queued + [.after(2), .running, .sent]
    private static let onChain = runs + [.after(3), .succeeded(.running)]
    private static let ended = onChain + [.after(300), .ended(.completed, 300, exit: 0), .sent]
    private static let toQueue = ["0 claimed #100", "1 submitted as Slurm job 7"]
    private static let toRunning = toQueue + ["3 started"]
    private static let toChain = toRunning + ["6 reported Running #100"]
    private static let toEnd = toChain + ["306 ended: COMPLETED"]

    static let cases: [Case] = [
        Case("a new claim", [], ["0 claimed #100"]),
        Case("nothing is told before it is on the chain", runs, toRunning),
        Case(
            "from the claim to the payment", ended + [.after(4), .paid("8333000000000000000")],
            toEnd + ["310 reported Finished, 5 min #100", "310 paid 8.333 credits #100"]),
        Case(
            "a payment of nothing", ended + [.after(4), .paid("0")],
            toEnd + ["310 reported Finished, 5 min #100", "310 paid 0 credits #100"]),
        Case(
            "told twice by the ledger", runs + [.again, .succeeded(.running)], toRunning + ["3 reported Running #100"]),
        Case(
            "suspensions are left out: gang scheduling brings one each minute", runs + [.suspended, .resumed], toRunning
        ),
        Case(
            "a second run", onChain + [.after(60), .requeued(60), .pending, .after(10), .running],
            toChain + ["66 put back into Slurm's queue", "76 started"]),
        Case(
            "a requeue that slurmctld takes back",
            onChain + [.after(60), .requeued(60), .pending, .after(10), .restored(60)],
            toChain + ["66 put back into Slurm's queue", "76 goes on: slurmctld lost that it had put it back"]),
        Case(
            "an exit code", runs + [.after(9), .ended(.failed, 9, exit: 768)],
            toRunning + ["12 ended: FAILED, exit code 3"]),
        Case("a signal", runs + [.after(9), .ended(.failed, 9, exit: 9)], toRunning + ["12 ended: FAILED, signal 9"]),
        Case(
            "lost", runs + [.after(9), .vanished], toRunning + ["12 lost: neither Slurm nor its accounting knows it"]),
        Case(
            "lost before the agent was there", [.unexamined, .after(60), .lost],
            ["0 claimed #100", "60 lost: neither Slurm nor its accounting knows it"]),
        Case(
            "an end that waits is told once",
            ended + [.held(until: 600), .after(1), .held(until: 700), .paid("0")],
            toEnd + [
                "306 delayed until 2023-11-14T22:23:20Z: the contract would not pay 12 min before",
                "307 reported Finished, 5 min #100", "307 paid 0 credits #100",
            ]),
        // Reports that the contract does not take.
        Case(
            "Running without effect, then again; the contract's record tells of the request",
            runs + [
                .after(2), .reverted(.running), .word(.scheduled, start: 0), .sent, .after(2), .succeeded(.running),
            ],
            ["-30 requested"] + toRunning + ["5 the contract did not take Running #100", "7 reported Running #101"]),
        Case(
            "taken back by an administrator", runs + [.withdrawn(.running)],
            toRunning + ["3 an administrator cancelled the report of Running"]),
        Case(
            "the end without effect", ended + [.reverted(.end)],
            toEnd + ["306 the contract did not take Finished, 5 min #100"]),
        // What others do.
        Case(
            "cancelled before it ran", queued + [.after(8), .chain(.cancelled), .chain(.cancelled)],
            toQueue + ["9 Cancelled on the chain #101"]),
        Case(
            "taken back by the bot", queued + [.chain(.pending)],
            toQueue + ["1 Pending on the chain, not by this agent #101"]),
        Case(
            "panicked while our end was on its way", ended + [.chain(.panicked), .reverted(.end)],
            toEnd + [
                "306 Panicked on the chain, not by this agent #101",
                "306 the contract did not take Finished, 5 min #101",
            ]),
        Case(
            "the events of our own reports are no news",
            runs + [.chain(.running), .succeeded(.running), .ended(.completed, 60, exit: 0), .sent]
                + [.chain(.finished), .succeeded(.end), .chain(.finished)],
            toRunning + ["3 reported Running #101", "3 ended: COMPLETED", "3 reported Finished, 1 min #102"]),
        Case(
            "the event of our own return is no news", [.refused("no"), .sent, .chain(.pending), .succeeded(.refuse)],
            ["0 claimed #100", "0 no job becomes of it: no", "0 given back #101"]),
        Case(
            "someone else told of the start", [.unexamined, .chain(.running)],
            ["0 claimed #100", "0 Running on the chain, reported with this provider's key #101"]),
        // Customers.
        Case(
            "each top-up once", queued + [.topUp(30, log: 1), .topUp(30, log: 1), .topUp(5, log: 2)],
            toQueue + ["1 topped up by 30 min #100", "1 topped up by 5 min #100"]),
        Case(
            "a cancel is wanted once", onChain + [.cancelRequest, .after(1), .cancelRequest],
            toChain + ["6 the customer wants it cancelled #100"]),
        Case(
            "a cancel that only the contract's record tells of; it knows when Running was mined, too",
            onChain + [.after(1), .cancelWord(start: 5)],
            ["-30 requested"] + toRunning + ["5 reported Running #100", "7 the customer wants it cancelled"]),
        // No job.
        Case(
            "refused", [.refused("no such user"), .sent, .after(2), .succeeded(.refuse)],
            ["0 claimed #100", "0 no job becomes of it: no such user", "2 given back #100"]),
        Case(
            "failed", [.failed("no script"), .sent, .after(2), .succeeded(.end)],
            ["0 claimed #100", "0 no job becomes of it: no script", "2 reported Failed #100"]),
        Case(
            "its return is not taken", [.refused("no"), .sent, .reverted(.refuse)],
            ["0 claimed #100", "0 no job becomes of it: no", "0 the contract did not take its return #100"]),
        Case(
            "refused by Slurm", [.accepted, .refusedBySlurm("no such partition", .scheduler)],
            ["0 claimed #100", "0 Slurm took no such job: no such partition"]),
    ]

    @Test(arguments: cases)
    func timeline(_ row: Case) throws {
        let stage = ClaimStage(row.acts)
        #expect(Self.words(stage.claim) == row.steps)
        #expect(try stage.reloaded().claim == stage.claim)
    }

    @Test("each kind of step has words of its own, and the disk gives it back")
    func kinds() throws {
        let moments = GridClaim.Moment.Kind.allCases.map {
            GridClaim.Moment(at: 5, kind: $0, detail: "what", transaction: hash(1))
        }
        #expect(Set(moments.map(\.words)).count == moments.count)
        #expect(try JSONDecoder().decode([GridClaim.Moment].self, from: JSONEncoder().encode(moments)) == moments)
        // A line of it is in each row of a claim.
        let started = try JSONEncoder().encode(GridClaim.Moment(at: 1_700_000_000, kind: .started))
        #expect(started.count < 40)
    }

    @Test("Slurm's own times, where it has them")
    func slurmTimes() {
        var claim = ClaimStage([.accepted]).claim
        let told: [(JobTransition.Kind, Int64?, Int64?)] = [
            (.running, 10, nil), (.requeued, 10, 20), (.running, 30, nil), (.ended, 30, 40),
        ]
        for (index, (kind, start, end)) in told.enumerated() {
            let transition = ClaimStage.transition(kind, sequence: Int64(index + 1)) {
                $0.recordedAt = (ClaimStage.epoch + 99) * 1_000_000
                $0.startTime = start.map { ClaimStage.epoch + $0 }
                $0.endTime = end.map { ClaimStage.epoch + $0 }
                $0.state = .completed
            }
            claim.take(transition, now: ClaimStage.epoch + 99)
        }
        #expect(
            Self.words(claim) == [
                "0 claimed #100", "10 started", "20 put back into Slurm's queue", "30 started", "40 ended: COMPLETED",
            ])
    }

    @Test("a claim that is mined again has its new transaction; an older place changes nothing")
    func minedAgain() {
        func claim(_ block: UInt64) -> GridClaim {
            GridClaim(
                job: hash(1), number: 1, customer: customer, definition: definition, minutes: 60,
                place: GridClaim.Place(block: block, index: 5), claimedAt: ClaimStage.epoch + 50,
                needsExamination: false, transaction: ClaimStage.transaction(block))
        }
        var known = ClaimStage(Self.queued).claim
        known.take(again: claim(99))
        #expect(known.place.block == 100 && Self.words(known) == Self.toQueue)
        known.take(again: claim(103))
        #expect(known.place.block == 103)
        #expect(Self.words(known) == ["0 claimed #103", "1 submitted as Slurm job 7"])
    }

    @Test("a job that is requeued for ever keeps the beginning and the newest of its history")
    func bounded() {
        var stage = ClaimStage(Self.onChain)
        for _ in 0..<500 { stage.take(.requeued(60)) }
        stage.take(.ended(.cancelled, 1, exit: 15))
        #expect(stage.claim.history?.count == 64)
        #expect(stage.claim.slurm.seconds == 30_001)
        let words = Self.words(stage.claim)
        #expect(words.starts(with: Self.toChain))
        #expect(words.last == "6 ended: CANCELLED, signal 15")
    }

    // MARK: the contract's record

    private static func record(
        _ status: ChainJobStatus, of owner: Address = provider, start: UInt64 = 0, end: UInt64 = 0
    ) -> ChainJob {
        let epoch = UInt64(ClaimStage.epoch)
        return ChainJob(
            id: hash(1), status: status, customer: customer, provider: owner, definition: definition,
            submitted: epoch - 30, start: start > 0 ? epoch + start : 0, end: end > 0 ? epoch + end : 0)
    }

    @Test("the chain's own times, once it was asked for them")
    func chainTimes() {
        var stage = ClaimStage(Self.ended + [.after(4), .paid("8333000000000000000"), .closed])
        #expect(stage.claim.lacksTimes)
        stage.claim.close(
            with: Self.record(.finished, start: 5, end: 308), provider: provider,
            claimed: UInt64(ClaimStage.epoch) - 2)
        #expect(!stage.claim.lacksTimes)
        #expect(
            Self.words(stage.claim) == [
                "-30 requested", "-2 claimed #100", "1 submitted as Slurm job 7", "3 started",
                "5 reported Running #100", "306 ended: COMPLETED", "308 reported Finished, 5 min #100",
                "308 paid 8.333 credits #100",
            ])
    }

    /// What a claim that is over may hear, and whether it is to be asked again.
    static let records: [(name: String, acts: [Act], record: ChainJob?, isAskedAgain: Bool, times: [Int64?])] = [
        ("all", ended + [.succeeded(.end)], record(.finished, start: 5, end: 9), false, [-30, 5, 9]),
        ("a node that lags", ended + [.succeeded(.end)], record(.running, start: 5), true, [-30, 5, nil]),
        ("a job that the contract does not know", ended + [.succeeded(.end)], nil, false, [nil, nil, nil]),
        // What the cancel paid is asked for, too.
        ("cancelled before it ran", queued + [.chain(.cancelled)], record(.cancelled, end: 9), true, [-30, nil, 9]),
        (
            "given back", [.refused("no"), .sent, .succeeded(.refuse)], record(.pending, of: .zero), false,
            [-30, nil, nil]
        ),
        (
            "given back, and another provider runs it", [.refused("no"), .sent, .succeeded(.refuse)],
            record(.finished, of: address(0x33), start: 5, end: 9), false, [-30, nil, nil]
        ),
        (
            "given back, and we run it as another claim", [.refused("no"), .sent, .succeeded(.refuse)],
            record(.finished, start: 5, end: 9), false, [-30, nil, nil]
        ),
    ]

    @Test("what is learned of a claim that is over", arguments: records.indices)
    func closing(_ index: Int) {
        let (name, acts, record, isAskedAgain, times) = Self.records[index]
        var claim = ClaimStage(acts + [.closed]).claim
        claim.close(with: record, provider: provider, claimed: nil)
        #expect(claim.lacksTimes == isAskedAgain, "\(name)")
        let found = [claim.times?.requested, claim.times?.start, claim.times?.end]
        #expect(found == times.map { $0.map { ClaimStage.epoch + $0 } }, "\(name)")
        #expect(claim.chain == ClaimStage(acts).claim.chain)
    }

    @Test("an open claim is not asked about for its times alone")
    func openTimes() {
        #expect(!ClaimStage(Self.ended).claim.lacksTimes)
    }
}
