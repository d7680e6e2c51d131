// SPDX-License-Identifier: GPL-3.0-or-later

import BigInt
import Foundation
import GRDB
import Testing

@testable import DeepSquare
@testable import Ethereum

@Suite("A file of format 1")
struct GridUpgradeTests {
    /// Finished, with a top-up.
    private static let finished = """
        {"attempts":2,"chain":{"block":165,"isOurs":true,"start":1795259694,"status":5},"claimedAt":1795259688,"\
        closedAt":1795259819,"customer":"0xa4ecb7704b69e6d65fd8c316ce144a70a386f784","definition":{"batchLocatio\
        nHash":"f04dc07546c215392353470d4e5cd05e291450488367a80f098f2da00aa5c128","cpusPerTask":1,"gpus":0,"memo\
        ryPerCPU":100,"tasks":1},"failures":0,"final":{"attempt":2,"exitCode":0,"kind":"end","minutes":2,"state"\
        :"done","status":5,"words":""},"isCancelWanted":false,"isSuperseded":false,"job":"0x00000000000000000000\
        00000000000000000000000000000000000000000003","minutes":1,"needsExamination":false,"notBefore":0,"number\
        ":1,"place":{"block":34,"index":1},"revision":14,"running":{"attempt":1,"exitCode":0,"kind":"running","m\
        inutes":0,"state":"done","status":3,"words":""},"slurm":{"ending":{"exitStatus":0,"knownAt":1795259813,"\
        state":"COMPLETED"},"hasStarted":true,"isCancelled":false,"isOrdered":true,"isOver":true,"jobID":1343100\
        2,"limit":3,"seconds":123,"sequence":63},"topUpLogs":[161],"topUps":2,"verdict":{"accepted":{}},"wasBill\
        edTooMuch":false}
        """
    /// Given back.
    private static let returned = """
        {"attempts":1,"chain":{"block":61,"isOurs":false,"status":2},"claimedAt":1795259707,"closedAt":179525971\
        6,"customer":"0x7a3bd8dd4f3d30a6aed57f880edc7bc0a9897457","definition":{"batchLocationHash":"b5bea41b6c6\
        23f7c09f1bf24dcae58ebab3c0cdd90ad966bc43a45b44867e12b","cpusPerTask":1,"gpus":0,"memoryPerCPU":100,"task\
        s":1000},"failures":0,"final":{"attempt":1,"exitCode":0,"kind":"refuse","minutes":0,"state":"done","stat\
        us":0,"words":"this cluster cannot run the job: 64 of its 1000 tasks fit into the partition"},"isCancelW\
        anted":false,"isSuperseded":false,"job":"0x0000000000000000000000000000000000000000000000000000000000000\
        00f","minutes":2,"needsExamination":false,"notBefore":0,"number":1,"place":{"block":53,"index":9},"revis\
        ion":6,"slurm":{"hasStarted":false,"isCancelled":false,"isOrdered":false,"isOver":false,"seconds":0,"seq\
        uence":0},"topUpLogs":[],"topUps":0,"verdict":{"refused":{"_0":"this cluster cannot run the job: 64 of i\
        ts 1000 tasks fit into the partition"}},"wasBilledTooMuch":false}
        """
    /// Its end was on its way when the agent was replaced.
    private static let ending = """
        {"attempts":2,"chain":{"block":1232,"isOurs":true,"start":1795257681,"status":3},"claimedAt":1795257021,\
        "customer":"0xf16d2c0856be4aba74a661e296056b53d81e53fd","definition":{"batchLocationHash":"5c53551fd4689\
        3bc2b971b64be4f2e4f2cfada6751c6d9c8fa08885e41d23a5d","cpusPerTask":1,"gpus":0,"memoryPerCPU":100,"tasks"\
        :1},"failures":0,"final":{"attempt":2,"exitCode":0,"kind":"end","minutes":1,"state":"sent","status":7,"w\
        ords":"the job reached its time limit"},"isCancelWanted":false,"isSuperseded":false,"job":"0x00000000000\
        00000000000000000000000000000000000000000000000000105","minutes":1,"needsExamination":false,"notBefore":\
        0,"number":1,"place":{"block":1096,"index":3},"revision":9,"running":{"attempt":1,"exitCode":0,"kind":"r\
        unning","minutes":0,"state":"done","status":3,"words":""},"slurm":{"ending":{"exitStatus":0,"knownAt":17\
        95257169,"state":"TIMEOUT"},"hasStarted":true,"isCancelled":false,"isOrdered":true,"isOver":true,"jobID"\
        :47054226,"limit":1,"seconds":82,"sequence":856},"topUpLogs":[],"topUps":0,"verdict":{"accepted":{}},"wa\
        sBilledTooMuch":false}
        """

    /// As format 1 was, with these claims in it.
    private static func make(_ path: String) throws {
        let queue = try DatabaseQueue(path: path)
        try queue.write { database in
            try database.execute(
                sql: """
                    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
                    CREATE TABLE claims (
                        job TEXT NOT NULL, number INTEGER NOT NULL, revision INTEGER NOT NULL, open INTEGER NOT NULL,
                        changed_at REAL NOT NULL, body TEXT NOT NULL, PRIMARY KEY (job, number)
                    ) WITHOUT ROWID;
                    CREATE INDEX claims_open ON claims (open) WHERE open = 1;
                    CREATE INDEX claims_changed ON claims (changed_at);
                    CREATE TABLE logs (sequence INTEGER PRIMARY KEY);
                    INSERT INTO meta VALUES ('delta', '15');
                    INSERT INTO logs VALUES (161);
                    PRAGMA user_version = 1;
                    """)
            for body in [finished, returned, ending] {
                let claim = try JSONDecoder().decode(GridClaim.self, from: Data(body.utf8))
                try database.execute(
                    sql: "INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?)",
                    arguments: [
                        claim.name, claim.number, claim.revision, !claim.isClosed, Date().timeIntervalSince1970, body,
                    ])
            }
        }
        try queue.close()
    }

    @Test("keeps what was in it, and asks nobody about jobs that were over")
    func opens() async throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        try Self.make(folder.file)
        for _ in 0..<2 {
            let store = try GridStore(path: folder.file)
            #expect(try await store.openClaims().map(\.slurm.jobID) == [47054226])
            #expect(try await store.recentClaims(limit: 9).count == 3)
            #expect(try await store.value("delta") == "15")
            let logs = [161, 162].map { GridStoreTests.delivered($0) }
            #expect(try await store.known(logs) == [TakenLog(logs[0])])
            #expect(try await store.claimsWithoutTimes(since: .distantPast, limit: 9).isEmpty)
            #expect(try await store.payments(since: 0).isEmpty)
            store.close()
        }
    }

    @Test("what is known of a job that was over")
    func closed() throws {
        let finished = try JSONDecoder().decode(GridClaim.self, from: Data(Self.finished.utf8))
        #expect(finished.paidMinutes == 3 && finished.chain.status == .finished)
        // What it was paid was not kept: that is not nothing.
        #expect(finished.earned == nil)
        #expect(finished.timeline.map(\.what) == ["claimed", "over: done"])
        #expect(finished.timeline.map(\.at) == [finished.claimedAt, finished.closedAt ?? 0])
        let returned = try JSONDecoder().decode(GridClaim.self, from: Data(Self.returned.utf8))
        #expect(returned.timeline.last?.what.hasPrefix("over: given back: ") == true)
    }

    @Test("a job that was open goes on, and its payment counts")
    func goesOn() async throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        try Self.make(folder.file)
        let store = try GridStore(path: folder.file)
        var claim = try #require(try await store.openClaims().first)
        let now = claim.claimedAt + 600
        let payment = GridPayment(
            transaction: hash(9), place: 0, block: 1300, learnedAt: now, wei: "840000000000000000")
        claim.succeeded(.end, block: 1300, transaction: hash(9), payments: [payment], now: now)
        claim.closedAt = now
        claim.revision += 1
        try await store.save([claim])
        #expect(claim.timeline.map(\.what) == ["claimed", "reported OutOfCredits, 1 min", "paid 0.84 credits"])
        #expect(claim.earned == BigUInt(840_000_000_000_000_000))
        #expect(try await store.payments(since: now).map(\.wei) == ["840000000000000000"])
        #expect(try await store.claimsWithoutTimes(since: .distantPast, limit: 9) == [claim])
    }
}
