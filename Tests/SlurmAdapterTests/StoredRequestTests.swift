// SPDX-License-Identifier: GPL-3.0-or-later

import JobLifecycle
import Testing

@testable import SlurmAdapter

@Suite("Stored submissions")
struct StoredRequestTests {
    @Test("a request that cannot be read is not refused: it waits")
    func unreadable() {
        #expect(throws: SchedulerError.self) { try SlurmScheduler.request(Array(#"{"format":9}"#.utf8)) }
        do {
            _ = try SlurmScheduler.request(Array(#"{"format":9}"#.utf8))
        } catch {
            #expect(error.code == .unavailable && !error.mayHaveHappened)
        }
    }
}
