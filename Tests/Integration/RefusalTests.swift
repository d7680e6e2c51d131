// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Slurm
import Testing

/// Requests that must not reach slurmctld, or that slurmctld refuses, with real users and a real slurmctld.
@Suite("Refusals", .serialized, .enabled(if: Lab.runs("Plain")))
struct RefusalTests {
    @Test("refused before anything is sent: no job number is used up")
    func beforeSending() async throws {
        let controller = try await Lab.connect()
        let first = try await submitHeld(controller)
        let base = try Lab.request()
        var requests: [(String, JobRequest)] = []
        func add(_ field: String, _ change: (inout JobRequest) -> Void) {
            var request = base
            change(&request)
            requests.append((field, request))
        }
        add("user") { $0.userID = 0 }
        add("user") { $0.userID = 4_294_967_294 }
        add("user") { $0.userID = 54_321 }
        add("group") { $0.groupID = 0 }
        add("group") { $0.groupID = 4_294_967_294 }
        add("group") { $0.groupID = 1 }
        add("script") { $0.script = "" }
        add("script") { $0.script = "echo hi\n" }
        add("script") { $0.script = "#!/bin/sh\r\ntrue\r\n" }
        add("script") { $0.script = "#!/bin/sh\n" + String(repeating: "#", count: 4 << 20) }
        add("work directory") { $0.workDirectory = "tmp" }
        add("tasks") { $0.tasks = 0 }
        add("nodes") { $0.minimumNodes = 0 }
        add("CPUs per task") { $0.cpusPerTask = 65_535 }
        add("tasks") { $0.tasks = 4_294_967_294 }
        add("environment") { $0.environment = ["SLURM_JWT": "x"] }
        for (field, request) in requests {
            let (error, _) = try await failing(with: .invalidRequest) { _ = try await controller.submit(request) }
            #expect(error.message.hasPrefix(field), "\(error)")
        }
        let last = try await submitHeld(controller)
        #expect(last == first + 1)
        for id in [first, last] { try await controller.cancel(JobID(id)) }
    }

    @Test("refused by slurmctld: typed, in its words")
    func bySlurmctld() async throws {
        let controller = try await Lab.connect()
        let base = try Lab.request()
        func refused(_ code: SlurmError.Code, _ words: String, _ change: (inout JobRequest) -> Void) async throws {
            var request = base
            change(&request)
            let (error, _) = try await failing(with: code) { _ = try await controller.submit(request) }
            #expect(error.message.localizedCaseInsensitiveContains(words), "\(error)")
            #expect(!error.mayHaveHappened)
        }
        try await refused(.partition, "invalid partition specified: nowhere") { $0.partition = "nowhere" }
        try await refused(.impossible, "gres") { $0.gresPerNode = [GRES(name: "quantum", count: 1)] }
        try await refused(.impossible, "licen") { $0.licenses = "nolicense:1" }
        try await refused(.impossible, "feature") { $0.constraint = "no-such-feature" }
        try await refused(.impossible, "reservation") { $0.reservation = "no-such-reservation" }
        try await refused(.impossible, "dependency") { $0.dependency = "afterok:nonsense" }
        try await refused(.impossible, "array") { $0.array = "5-1" }
    }

    @Test("another user may look, and may not act for others")
    func unprivileged() async throws {
        let id = try await submitHeld(try await Lab.connect())
        let script = "printf '#!/bin/sh\\ntrue\\n' | \(Lab.binary) submit --hold --user labu2 2>&1"
        let other = try await Lab.run(as: "labu1", script, expecting: 77)
        #expect(other.output.contains("Invalid user id"))
        let cancel = try await Lab.run(as: "labu2", "\(Lab.binary) cancel \(id) 2>&1", expecting: 77)
        #expect(cancel.output.contains("denied"))
        try await Lab.run(as: "labu2", "\(Lab.binary) job \(id)")
        // For themselves they may.
        let own = try await Lab.run(as: "labu1", "printf '#!/bin/sh\\ntrue\\n' | \(Lab.binary) submit --hold")
        let mine = try #require(UInt32(own.output.trimmingCharacters(in: .whitespacesAndNewlines)))
        try await Lab.run(as: "labu1", "\(Lab.binary) cancel \(mine) \(id)")
    }

    private func submitHeld(_ controller: SlurmController) async throws -> UInt32 {
        var request = try Lab.request()
        request.hold = true
        return try await controller.submit(request).jobID
    }
}
