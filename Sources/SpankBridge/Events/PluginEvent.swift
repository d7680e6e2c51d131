// SPDX-License-Identifier: GPL-3.0-or-later

/// What a plugin saw of a job. nil: it did not say.
public struct PluginEvent: Sendable, Hashable {
    public enum Source: UInt8, Sendable, Hashable {
        case jobcomp = 1
        case spank = 2
    }

    public enum Kind: UInt8, Sendable, Hashable {
        case jobStart = 1
        /// Slurm's "job completion", also written for a requeue or a change of size.
        case jobRecord = 2
        case prolog = 3
        case epilog = 4
        case stepStart = 5
        case taskExit = 6
    }

    public var source: Source
    /// 16 bytes; empty for SPANK, whose events come twice where an acknowledgement was lost.
    public var bootID: [UInt8]
    public var sequence: UInt64
    public var kind: Kind
    /// All that slurmctld knows is here; otherwise only which job it was.
    public var isRich: Bool
    /// Unix microseconds.
    public var observed: Int64?
    /// Frames that this boot id had to drop so far.
    public var dropped: UInt64
    /// Slurm's own number of the record.
    public var jobID: UInt32
    public var arrayJobID: UInt32?
    public var arrayTaskID: UInt32?
    public var arrayTaskCount: UInt32?
    public var arrayTasks: String?
    public var hetJobID: UInt32?
    public var hetJobOffset: UInt32?
    public var uid: UInt32?
    public var gid: UInt32?
    /// As in Slurm, with flags.
    public var state: UInt32?
    /// Wait status.
    public var exitCode: UInt32?
    /// Unix seconds, as all times below.
    public var submitTime: Int64?
    public var eligibleTime: Int64?
    public var startTime: Int64?
    public var endTime: Int64?
    public var suspendTime: Int64?
    public var runTimeBeforeSuspension: Int64?
    public var restartCount: UInt32?
    /// Minutes.
    public var timeLimit: UInt32?
    public var name: String?
    public var partition: String?
    public var nodes: String?
    public var account: String?
    public var adminComment: String?
    public var comment: String?
    public var allocatedTRES: String?
    /// SPANK: the node, the step, the task and its wait status.
    public var node: String?
    public var stepID: UInt32?
    public var taskID: UInt32?
    public var taskStatus: UInt32?
    /// SPANK: what the job holds on the node, and what that is made of.
    public var placement: PluginPlacement?
    /// Milliseconds for which its node kept it, as nobody took it; nil: it was said at once.
    public var waited: Int64?

    init(_ frame: Frame) throws(FrameRefusal.Incomplete) {
        guard let source = frame.number(.source).flatMap({ UInt8(exactly: $0) }).flatMap(Source.init) else {
            throw .init(what: "who saw it")
        }
        guard let kind = frame.number(.kind).flatMap({ UInt8(exactly: $0) }).flatMap(Kind.init) else {
            throw .init(what: "what happened")
        }
        let bootID = frame[.bootID]?.value ?? []
        guard bootID.count == 16 || source == .spank && bootID.isEmpty else {
            throw .init(what: "its boot id of 16 bytes")
        }
        let number = frame.number32(.jobID).flatMap { $0 > 0 && $0 < 0xffff_fff0 ? $0 : nil }
        guard let jobID = number ?? frame.text(.jobText).flatMap(JobText.init)?.jobID else {
            throw .init(what: "which job it was")
        }
        self.source = source
        self.kind = kind
        self.bootID = bootID
        sequence = frame.sequence
        isRich = source == .jobcomp && frame.number(.mode) == 2
        observed = frame.time(.observed)
        dropped = frame.number(.dropped) ?? 0
        self.jobID = jobID
        arrayJobID = frame.number32(.arrayJobID)
        arrayTaskID = frame.number32(.arrayTaskID)
        arrayTaskCount = frame.number32(.arrayTaskCount)
        arrayTasks = frame.text(.arrayTasks)
        hetJobID = frame.number32(.hetJobID)
        hetJobOffset = frame.number32(.hetJobOffset)
        uid = frame.number32(.uid)
        gid = frame.number32(.gid)
        state = frame.number32(.state)
        exitCode = frame.number32(.exitCode)
        submitTime = frame.time(.submitTime)
        eligibleTime = frame.time(.eligibleTime)
        startTime = frame.time(.startTime)
        endTime = frame.time(.endTime)
        suspendTime = frame.time(.suspendTime)
        runTimeBeforeSuspension = frame.time(.runTimeBeforeSuspension)
        restartCount = frame.number32(.restartCount)
        timeLimit = frame.number32(.timeLimit)
        name = frame.text(.name)
        partition = frame.text(.partition)
        nodes = frame.text(.nodes)
        account = frame.text(.account)
        adminComment = frame.text(.adminComment)
        comment = frame.text(.comment)
        allocatedTRES = frame.text(.allocatedTRES)
        node = frame.text(.node)
        stepID = frame.number32(.stepID)
        taskID = frame.number32(.taskID)
        taskStatus = frame.number32(.taskStatus)
        placement = source == .spank ? PluginPlacement(frame) : nil
        waited = source == .spank ? frame.time(.waited) : nil
    }
}

extension FrameRefusal {
    struct Incomplete: Error {
        var what: String
    }
}

/// What a jobcomp plugin says of itself when it connects, and when something of it has changed.
public struct PluginHello: Sendable, Hashable, Codable {
    /// 32 hex digits.
    public var boot: String
    public var nextSequence: UInt64
    public var host: String?
    public var pid: UInt32?
    public var pluginVersion: String?
    /// Slurm versions.
    public var builtFor: String?
    public var running: String?
    /// "rich", "lean", or nil while it has not been decided.
    public var mode: String?
    public var modeReason: String?
    public var socket: String?
    public var spoolFolder: String?
    public var settingsFrom: String?
    public var ringLimit: UInt64?
    public var spoolLimit: UInt64?
    public var chain: String?
    public var chainState: String?
    public var chainErrors: UInt64
    /// Microseconds, as `callbackMaximum`.
    public var chainMaximum: UInt64?
    public var callbackMaximum: UInt64?
    public var spooled: UInt64
    public var dropped: UInt64
    public var spoolRefused: UInt64
    public var spoolTrouble: String?

    init(_ frame: Frame) throws(FrameRefusal.Incomplete) {
        guard let boot = frame[.bootID]?.value, boot.count == 16 else { throw .init(what: "its boot id of 16 bytes") }
        self.boot = Self.hex(boot)
        nextSequence = frame.sequence
        host = frame.text(.host)
        pid = frame.number32(.pid)
        pluginVersion = frame.text(.pluginVersion)
        builtFor = frame.text(.builtFor)
        running = frame.text(.running)
        mode = frame.number(.mode).flatMap { $0 == 2 ? "rich" : $0 == 1 ? "lean" : nil }
        modeReason = frame.text(.modeReason)
        socket = frame.text(.socket)
        spoolFolder = frame.text(.spoolFolder)
        settingsFrom = frame.text(.settingsFrom)
        ringLimit = frame.number(.ringLimit)
        spoolLimit = frame.number(.spoolLimit)
        chain = frame.text(.chain)
        chainState = frame.text(.chainState)
        chainErrors = frame.number(.chainErrors) ?? 0
        chainMaximum = frame.number(.chainMaximum)
        callbackMaximum = frame.number(.callbackMaximum)
        spooled = frame.number(.spooled) ?? 0
        dropped = frame.number(.dropped) ?? 0
        spoolRefused = frame.number(.spoolRefused) ?? 0
        spoolTrouble = frame.text(.spoolTrouble)
    }

    public static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef")
        return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }
}
