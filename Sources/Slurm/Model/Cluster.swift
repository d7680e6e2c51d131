// SPDX-License-Identifier: GPL-3.0-or-later

internal import CSlurm

/// What slurmctld says of itself and its configuration (`slurm_load_ctl_conf`).
public struct Cluster: Sendable, Hashable {
    public var name: String
    /// slurmctld's release, for instance "22.05.8".
    public var controllerVersion: String
    /// The release whose headers this program was built with.
    public var libraryVersion: String
    public var slurmUserID: UInt32
    public var slurmUserName: String
    /// How long slurmctld remembers an ended job, in seconds.
    public var minimumJobAge: UInt32
    /// In seconds.
    public var messageTimeout: UInt32
    public var authenticationType: String
    /// "accounting_storage/none" where there is no slurmdbd.
    public var accountingStorageType: String
    public var accounting: Enforcement
    public var jobSubmitPlugins: String?
    /// JobCompType and JobCompParams, as slurmctld has loaded them.
    public var jobCompletionType: String?
    public var jobCompletionParameters: String?
    /// plugstack.conf on slurmctld's host: PlugStackConfig, or the one beside its slurm.conf.
    public var plugstackFile: String?
    /// PluginDir: folders, in the order in which they are searched.
    public var pluginFolders: [String]
    public var mcsPlugin: String?
    /// SelectType: what is counted when jobs are placed.
    public var selectType: String
    public var stateSaveLocation: String?
    /// Bytes.
    public var maximumScriptSize: Int
    public var maximumArraySize: UInt32
    /// The federation this cluster is a member of.
    public var federation: String?
    /// RequeueExit or RequeueExitHold is set, or expedited requeues are allowed: jobs may go back to the queue after they
    /// failed.
    public var requeuesByExitCode: Bool
    /// Users may have crontabs (ScronParameters=enable), or RequeueExit names 0: so may jobs that succeeded.
    public var requeuesAfterSuccess: Bool
    /// Seconds since slurmctld was started, when it was asked; by its own clock.
    public var runningFor: Int64
    var readAt: ContinuousClock.Instant

    /// Seconds since slurmctld was started, now.
    public var runsFor: Int64 { runningFor &+ readAt.duration(to: .now).components.seconds }

    public var hasAccounting: Bool { accountingStorageType.hasSuffix("slurmdbd") }

    /// AccountingStorageEnforce (slurm.conf(5)).
    public struct Enforcement: OptionSet, Sendable, Hashable, CustomStringConvertible {
        public let rawValue: UInt16

        public init(rawValue: UInt16) {
            self.rawValue = rawValue
        }

        public static let associations = Enforcement(rawValue: 1 << 0)
        public static let limits = Enforcement(rawValue: 1 << 1)
        public static let wckeys = Enforcement(rawValue: 1 << 2)
        public static let qos = Enforcement(rawValue: 1 << 3)
        public static let safe = Enforcement(rawValue: 1 << 4)
        public static let noJobs = Enforcement(rawValue: 1 << 5)
        public static let noSteps = Enforcement(rawValue: 1 << 6)

        public var description: String {
            let names: [(Enforcement, String)] = [
                (.associations, "associations"), (.limits, "limits"), (.wckeys, "wckeys"), (.qos, "qos"),
                (.safe, "safe"), (.noJobs, "nojobs"), (.noSteps, "nosteps"),
            ]
            let set = names.filter { contains($0.0) }.map(\.1)
            return set.isEmpty ? "none" : set.joined(separator: ",")
        }
    }

    static func load() throws(SlurmError) -> Cluster {
        var answer: UnsafeMutablePointer<slurm_conf_t>?
        try SlurmCall.check("slurm_load_ctl_conf") { slurm_load_ctl_conf(0, &answer) }
        guard let answer else { throw SlurmError(.unexpected, "empty answer", call: "slurm_load_ctl_conf") }
        defer { cs_free_configuration(answer) }
        let conf = answer.pointee
        var federation = [CChar](repeating: 0, count: 256)
        // A cluster without slurmdbd has no federation; an error here means the same.
        let inFederation = cs_federation_name(&federation, federation.count) == 0 && federation[0] != 0
        return Cluster(
            name: optionalText(conf.cluster_name) ?? "",
            controllerVersion: optionalText(conf.version) ?? "",
            libraryVersion: libraryVersion,
            slurmUserID: conf.slurm_user_id,
            slurmUserName: optionalText(conf.slurm_user_name) ?? "",
            minimumJobAge: conf.min_job_age,
            messageTimeout: UInt32(conf.msg_timeout),
            authenticationType: optionalText(conf.authtype) ?? "",
            accountingStorageType: optionalText(conf.accounting_storage_type) ?? "accounting_storage/none",
            accounting: Enforcement(rawValue: conf.accounting_storage_enforce),
            jobSubmitPlugins: optionalText(conf.job_submit_plugins),
            jobCompletionType: optionalText(conf.job_comp_type),
            jobCompletionParameters: optionalText(conf.job_comp_params),
            plugstackFile: optionalText(conf.plugstack) ?? plugstackFile(beside: optionalText(conf.slurm_conf)),
            pluginFolders: (optionalText(conf.plugindir) ?? "").split(separator: ":").map(String.init),
            mcsPlugin: optionalText(conf.mcs_plugin),
            selectType: optionalText(conf.select_type) ?? "",
            stateSaveLocation: optionalText(conf.state_save_location),
            maximumScriptSize: scriptSize(optionalText(conf.sched_params)),
            maximumArraySize: conf.max_array_sz,
            federation: inFederation
                ? federation.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } } : nil,
            requeuesByExitCode: optionalText(conf.requeue_exit) != nil || optionalText(conf.requeue_exit_hold) != nil
                || optionalText(conf.slurmctld_params)?.contains("enable_expedited_requeue") == true,
            requeuesAfterSuccess: optionalText(conf.scron_params)?.contains("enable") == true
                || namesZero(optionalText(conf.requeue_exit)) || namesZero(optionalText(conf.requeue_exit_hold)),
            runningFor: max(0, Int64(conf.last_update) &- Int64(conf.boot_time)),
            readAt: .now)
    }

    /// The release this program was compiled for: `22.05.8`.
    public static var libraryVersion: String {
        let number = cs_SLURM_VERSION_NUMBER
        let (major, minor, micro) = (number >> 16 & 0xff, number >> 8 & 0xff, number & 0xff)
        return "\(major).\(minor < 10 ? "0" : "")\(minor).\(micro)"
    }

    /// Whether a list of exit codes such as `1-5,9` begins a range with 0 or has it by itself.
    static func namesZero(_ codes: String?) -> Bool {
        codes?.split(whereSeparator: { ",[] \t".contains($0) }).contains { range in
            range.split(separator: "-").first.flatMap { UInt32($0) } == 0
        } == true
    }

    static func plugstackFile(beside file: String?) -> String? {
        guard let file, let slash = file.lastIndex(of: "/") else { return nil }
        return file[...slash] + "plugstack.conf"
    }

    /// SchedulerParameters=…,max_script_size=BYTES; 4 MiB when it says nothing.
    static func scriptSize(_ parameters: String?) -> Int {
        for parameter in (parameters ?? "").lowercased().split(separator: ",") {
            let key = "max_script_size="
            if parameter.hasPrefix(key), let size = Int(parameter.dropFirst(key.count)), size > 0 { return size }
        }
        return 4 * 1024 * 1024
    }
}
