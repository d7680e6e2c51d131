// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials

/// Checks a request before it leaves: slurmctld lets much through that cannot work or must not (unknown users, gid 0,
/// scripts without `#!`), and some counts would turn into its in-band values.
extension JobRequest {
    /// Slurm's own bounds on texts (job_mgr.c, `_test_strlen`), in bytes.
    private static let textLimit = 1024
    private static let pathLimit = 4096
    private static let longTextLimit = 128 * 1024

    /// Bounds where Slurm packs a count into 16 or 32 bits, less the in-band values on top.
    private static let limit16: UInt32 = 0xfffc
    private static let limit32: UInt32 = 0xffff_fffb

    /// Everything that needs neither a look-up nor slurmctld.
    /// - Throws: `invalidRequest` naming the field and its limit.
    func validate(policy: SubmitPolicy) throws(SlurmError) {
        try validateOwner(policy)
        try validateScript()
        try validateTexts()
        try validateCounts()
        try validateEnvironment(policy)
    }

    private func validateOwner(_ policy: SubmitPolicy) throws(SlurmError) {
        if userID >= Self.limit32 { throw .invalid("user", "uid \(userID) is one of Slurm's reserved values") }
        if let groupID, groupID >= Self.limit32 {
            throw .invalid("group", "gid \(groupID) is one of Slurm's reserved values")
        }
        if !policy.allowRoot {
            if userID == 0 { throw .invalid("user", "jobs of root (uid 0) are not allowed here") }
            if groupID == 0 { throw .invalid("group", "jobs of gid 0 are not allowed here") }
        }
        if userID < policy.minimumUserID && !(policy.allowRoot && userID == 0) {
            throw .invalid("user", "uid \(userID) is below the lowest allowed one, \(policy.minimumUserID)")
        }
    }

    private func validateScript() throws(SlurmError) {
        let bytes = script.utf8
        if bytes.isEmpty { throw .invalid("script", "is empty") }
        if !script.utf8.starts(with: "#!".utf8) {
            throw .invalid("script", "must begin with #! and an interpreter, for instance #!/bin/bash")
        }
        if bytes.contains(0) { throw .invalid("script", "holds a NUL byte") }
        if bytes.contains(UInt8(ascii: "\r")) {
            throw .invalid("script", "has Windows line ends (CR LF); convert it, for instance with dos2unix")
        }
    }

    /// - Parameter limit: bytes; slurmctld's SchedulerParameters=max_script_size.
    func validateScriptSize(limit: Int) throws(SlurmError) {
        let size = script.utf8.count
        if size > limit {
            throw .invalid(
                "script", "has \(size) bytes; slurmctld takes \(limit) (SchedulerParameters=max_script_size)")
        }
    }

    private func validateTexts() throws(SlurmError) {
        try Self.check("name", name, Self.textLimit)
        try Self.check("comment", comment, Self.textLimit, mayBeEmpty: true)
        try Self.check("admin comment", adminComment, Self.textLimit)
        try Self.check("partition", partition, Self.textLimit)
        try Self.check("account", account, Self.textLimit)
        try Self.check("qos", qos, Self.textLimit)
        try Self.check("wckey", wckey, Self.textLimit)
        try Self.check("MCS label", mcsLabel, Self.textLimit)
        try Self.check("reservation", reservation, Self.textLimit)
        try Self.check("constraint", constraint, Self.textLimit)
        try Self.check("licenses", licenses, Self.textLimit)
        try Self.check("dependency", dependency, Self.longTextLimit)
        try Self.check("array", array, 4 * 1024)
        try Self.check("node list", nodeList, Self.longTextLimit)
        try Self.check("excluded nodes", excludedNodes, Self.longTextLimit)
        try Self.check("work directory", workDirectory, Self.pathLimit)
        try Self.check("standard output", standardOutput, Self.pathLimit)
        try Self.check("standard error", standardError, Self.pathLimit)
        try Self.check("standard input", standardInput, Self.pathLimit)
        try Self.check("mail recipient", mail?.recipient, Self.textLimit)
        if let workDirectory, !workDirectory.hasPrefix("/") {
            throw .invalid("work directory", "\"\(workDirectory)\" is not an absolute path")
        }
        for (field, list) in [("node list", nodeList), ("excluded nodes", excludedNodes)] {
            if let list, Hostlist.expand(list) == nil {
                throw .invalid(
                    field,
                    "\"\(list)\" is no host list such as n[1-4],n7"
                        + (list.contains("/") ? "; no file is read: write the names of its nodes" : ""))
            }
        }
        for (index, argument) in arguments.enumerated() where argument.utf8.contains(0) {
            throw .invalid("argument \(index + 1)", "holds a NUL byte")
        }
    }

    private func validateCounts() throws(SlurmError) {
        try Self.check("nodes", minimumNodes, Self.limit32)
        try Self.check("maximum nodes", maximumNodes, Self.limit32)
        try Self.check("tasks", tasks, Self.limit32)
        try Self.check("tasks per node", tasksPerNode, Self.limit16)
        try Self.check("CPUs per task", cpusPerTask, Self.limit16)
        try Self.check("minimum CPUs per node", minimumCPUsPerNode, Self.limit16)
        if let minimumNodes, let maximumNodes, maximumNodes < minimumNodes {
            throw .invalid("maximum nodes", "\(maximumNodes) is less than the minimum, \(minimumNodes)")
        }
        let perNode = UInt64(minimumNodes ?? 1) * UInt64(tasksPerNode ?? 1)
        let (cpus, overflow) = max(UInt64(tasks ?? 1), perNode).multipliedReportingOverflow(
            by: UInt64(cpusPerTask ?? 1))
        if overflow || cpus > UInt64(Self.limit32) {
            throw .invalid("tasks × CPUs per task", "is more than \(Self.limit32)")
        }
        switch memory {
        // 0 is all memory of the node (sbatch(1), --mem); slurmctld takes 0 per CPU for the same.
        case .perNode(let megabytes), .perCPU(let megabytes):
            if megabytes >= 1 << 53 { throw .invalid("memory", "\(megabytes) MB is more than any node has") }
        case nil: break
        }
        // 0 of a generic resource is none, as for sbatch.
        for (field, gpus) in [("GPUs", gpusPerJob), ("GPUs per node", gpusPerNode), ("GPUs per task", gpusPerTask)] {
            for gpus in gpus?.all ?? [] {
                if gpus.count > Self.limit32 { throw .invalid(field, "is \(gpus.count), at most \(Self.limit32) fit") }
                if let type = gpus.type { try Self.validateGRESName("GPU type", type) }
            }
        }
        for gres in gresPerNode {
            try Self.validateGRESName("gres name", gres.name)
            if let type = gres.type { try Self.validateGRESName("gres type", type) }
            if gres.count >= 1 << 53 { throw .invalid("gres \(gres.name)", "count \(gres.count) is too large") }
        }
        switch timeLimit {
        case .minutes(0): throw .invalid("time limit", "is 0 minutes; no limit is UNLIMITED")
        case .minutes(let minutes) where minutes > TimeLimit.maximumMinutes:
            throw .invalid("time limit", "\(minutes) minutes is one of Slurm's reserved values")
        default: break
        }
        try Self.check("session", session, Self.limit32)
        if umask > 0o777 { throw .invalid("umask", "0\(String(umask, radix: 8)) is more than 0777") }
        if let beginTime, !(0...4_102_444_800).contains(beginTime.timeIntervalSince1970) {
            throw .invalid("begin time", "must lie between 1970 and 2100")
        }
    }

    private static func check(
        _ field: String, _ text: String?, _ limit: Int, mayBeEmpty: Bool = false
    ) throws(SlurmError) {
        guard let text else { return }
        if text.isEmpty && !mayBeEmpty { throw .invalid(field, "is empty; leave it out instead") }
        if text.utf8.count > limit { throw .invalid(field, "has \(text.utf8.count) bytes, at most \(limit) fit") }
        if text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) {
            throw .invalid(field, "holds a control character or a line break")
        }
    }

    private static func check(_ field: String, _ count: UInt32?, _ limit: UInt32) throws(SlurmError) {
        guard let count else { return }
        if count == 0 { throw .invalid(field, "is 0; leave it out or ask for at least 1") }
        if count > limit { throw .invalid(field, "is \(count), at most \(limit) fit") }
    }

    private static func validateGRESName(_ field: String, _ name: String) throws(SlurmError) {
        let isName = { (byte: UInt8) in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        if name.isEmpty || name.utf8.count > 64 || !name.utf8.allSatisfy(isName) {
            throw .invalid(field, "\"\(name)\": letters, digits, '_', '-' and '.' only, at most 64")
        }
    }

    private func validateEnvironment(_ policy: SubmitPolicy) throws(SlurmError) {
        for (name, value) in environment {
            let isName =
                name.utf8.first.map { !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ?? false
                && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "=") }
            if !isName { throw .invalid("environment", "\"\(name)\" is no name of a variable") }
            if value.utf8.contains(0) { throw .invalid("environment", "\(name) holds a NUL byte") }
            if name.hasPrefix("SLURM_") && !policy.allowedSlurmVariables.contains(name) {
                throw .invalid("environment", "\(name): Slurm's own variables are set by the agent")
            }
        }
        if case .minimal(let limits) = environmentMode {
            for name in limits.keys where !JobEnvironment.limitNames.contains(name) {
                throw .invalid(
                    "limits",
                    "\(name) is unknown; allowed are \(JobEnvironment.limitNames.sorted().joined(separator: ", "))")
            }
        }
    }

    /// Looks the owner up. Blocks on the name service.
    /// - Throws: `invalidRequest` for a user that does not exist or a group it is not in.
    func resolveOwner(_ policy: SubmitPolicy) throws(SlurmError) -> (account: UserAccount, groupID: UInt32) {
        guard let account = try UserAccount.find(userID: userID) else {
            throw .invalid("user", "there is no user with uid \(userID) on this host")
        }
        let group = groupID ?? account.groupID
        if group == 0 && !policy.allowRoot { throw .invalid("group", "jobs of gid 0 are not allowed here") }
        if !account.isMember(of: group) {
            throw .invalid("group", "\(account.name) is not a member of group \(group)")
        }
        if workDirectory == nil && !account.home.hasPrefix("/") {
            throw .invalid("work directory", "\(account.name) has no home folder; name one")
        }
        return (account, group)
    }
}
