// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Slurm

/// Look-ups of users; root is the only one that every host has.
@Suite struct OwnerTests {
    @Test func findsUsers() throws {
        let root = try #require(try UserAccount.find(name: "root"))
        #expect(root.userID == 0 && root.groupID == 0)
        #expect(try UserAccount.find(userID: 0) == root)
        #expect(try UserAccount.find(userID: 4_000_000_000) == nil)
        #expect(try UserAccount.find(name: "no-such-user-here") == nil)
        #expect(root.isMember(of: 0))
        #expect(!root.isMember(of: 4_000_000_000))
    }

    @Test("by name or number")
    func namesAndNumbers() throws {
        #expect(try UserAccount.userID("root") == 0 && UserAccount.userID("0") == 0)
        // Whose account is gone may have jobs still.
        #expect(try UserAccount.userID("4000000000") == 4_000_000_000)
        #expect(try UserAccount.groupID("root") == 0 && UserAccount.groupID("12") == 12)
        for text in ["no-such-user-here", "", "-1", "4294967296", "1.5"] {
            #expect(throws: SlurmError.self) { try UserAccount.userID(text) }
            let error = #expect(throws: SlurmError.self) { try UserAccount.groupID(text) }
            #expect(error?.code == .invalidRequest && error?.message.hasPrefix("group:") == true)
        }
    }

    @Test func refusesUsersThatDoNotExist() {
        let error = #expect(throws: SlurmError.self) {
            try JobRequest.made { $0.userID = 4_000_000_000 }.resolveOwner(.init())
        }
        #expect(error?.code == .invalidRequest)
        #expect(error?.message.hasPrefix("user:") == true)
    }

    @Test func refusesGroupsTheUserIsNotIn() {
        var policy = SubmitPolicy()
        policy.allowRoot = true
        let request = JobRequest.made {
            $0.userID = 0
            $0.groupID = 4_000_000_000
        }
        let error = #expect(throws: SlurmError.self) { try request.resolveOwner(policy) }
        #expect(error?.message.hasPrefix("group:") == true)
    }

    @Test("A user whose primary group is 0 counts as gid 0")
    func refusesThePrimaryGroupOfRoot() throws {
        let request = JobRequest.made { $0.userID = 0 }
        let error = #expect(throws: SlurmError.self) { try request.resolveOwner(.init()) }
        #expect(error?.message.hasPrefix("group:") == true)
        var policy = SubmitPolicy()
        policy.allowRoot = true
        #expect(try request.resolveOwner(policy).groupID == 0)
    }
}
