// SPDX-License-Identifier: GPL-3.0-or-later

@testable import Slurm

extension JobRequest {
    /// A request that passes every check, changed.
    static func made(_ change: (inout JobRequest) -> Void = { _ in }) -> JobRequest {
        var request = JobRequest(userID: 1000, script: "#!/bin/sh\ntrue\n", name: "job")
        change(&request)
        return request
    }
}

extension UserAccount {
    static let tester = UserAccount(name: "labu1", userID: 1000, groupID: 1001, home: "/home/labu1", shell: "/bin/bash")
}
