// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import GRDB
import Testing

@testable import JobLifecycle

@Suite("The end of the ledger", .timeLimit(.minutes(2)))
struct LedgerClosingTests {
    @Test("whatever is asked of a closed ledger is an error")
    func closed() async throws {
        let bench = try Bench()
        bench.ledger.close()
        bench.ledger.close()
        for _ in 0..<20 {
            do {
                _ = try await bench.ledger.counts()
                Issue.record("it was read")
            } catch {
                #expect(error.code == .closed)
            }
            do {
                try await bench.ledger.fold(Ledger.Intake(observations: [seen(.pending)]))
                Issue.record("it was written")
            } catch {
                #expect(error.code == .closed)
            }
        }
    }

    @Test("whoever is told to end has found no fault of the disk")
    func cancelled() {
        let error = Ledger.translate(CancellationError(), path: "/state/ledger.sqlite")
        #expect(error.code == .closed && !error.description.contains("Cancellation"))
    }

    @Test(
        "closed in the middle of everything: each reader and writer gets its answer or an error, what was committed stays"
    )
    func underWay() async throws {
        let folder = try TemporaryFolder()
        for round in 0..<20 {
            let path = folder.path + "/\(round).sqlite"
            let ledger = try Ledger(path: path, cluster: "lab")
            let committed = await withTaskGroup(of: Int.self) { group in
                for number in 0..<40 {
                    group.addTask {
                        do {
                            if number % 2 == 0 {
                                let job = JobKey(UInt32(number + 1))
                                try await ledger.fold(Ledger.Intake(observations: [seen(.pending, key: job)]))
                                return 1
                            }
                            _ = try await ledger.counts()
                            return 0
                        } catch {
                            #expect((error as? LedgerError)?.code == .closed)
                            return 0
                        }
                    }
                    if number == round * 2 { ledger.close() }
                }
                return await group.reduce(0, +)
            }
            let again = try Ledger(path: path, cluster: "lab")
            #expect(try await again.counts().openRuns == committed)
            again.close()
        }
    }

    @Test("a caller that is cancelled: what it asked for is done, and nothing is taken for a fault of the disk")
    func cancelled() async throws {
        let bench = try Bench()
        let (ready, continuation) = AsyncStream<Void>.makeStream()
        let task = Task {
            for await _ in ready {}
            try await bench.ledger.fold(Ledger.Intake(observations: [seen(.pending)]))
            return try await bench.ledger.counts().openRuns
        }
        task.cancel()
        continuation.finish()
        #expect(try await task.value == 1)
    }
}
