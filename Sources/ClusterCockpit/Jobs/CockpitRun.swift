// SPDX-License-Identifier: GPL-3.0-or-later

public import JobLifecycle

/// One run of a job that ran: what backends are told of. A job that never ran has none.
public struct CockpitRun: Sendable, Hashable {
    /// How it is over.
    enum Ending: String, Sendable, Hashable, Codable {
        /// And with it the job.
        case final
        /// Slurm put the job back into the queue.
        case requeued
        /// Slurm has forgotten it; when it ended is not known.
        case vanished
        /// slurmctld was killed before it saved that there was such a run: it never was.
        case undone
    }

    /// Of the file; 0: not in there yet.
    var id: Int64 = 0
    /// What is reported in order: the job's number, by which backends refuse a second row. A new ledger numbers jobs again.
    var lane: Int64 { Int64(jobID) }
    var jobID: UInt32
    var submitTime: Int64
    var startTime: Int64
    /// `7`, `7_3`.
    var job: String
    /// The last transition that is in here.
    var sequence: Int64
    var details: JobDetails
    var ending: Ending?
    var endTime: Int64?
    var endState: EndState?
    /// What Slurm held for it while it ran. nil: not asked yet, or Slurm had forgotten it.
    var capture: JobCapture?
    /// Slurm was asked, or there is nobody to ask any more.
    var isCaptured = false

    var isOver: Bool { ending != nil }

    /// - Returns: nil when the transition is of no run that ran.
    init?(_ transition: JobTransition) {
        guard transition.kind == .running, let jobID = transition.jobID, let submitTime = transition.submitTime else {
            return nil
        }
        self.jobID = jobID
        self.submitTime = submitTime
        startTime = transition.startTime ?? transition.recordedAt / 1_000_000
        job = transition.job ?? "\(jobID)"
        sequence = transition.sequence
        details = transition.details
    }

    init(
        jobID: UInt32, submitTime: Int64, startTime: Int64, job: String, details: JobDetails = JobDetails()
    ) {
        self.jobID = jobID
        self.submitTime = submitTime
        self.startTime = startTime
        self.job = job
        self.details = details
        sequence = 0
    }

    /// Takes in what the ledger says of this run later.
    /// - Returns: whether a backend has to hear of it.
    mutating func take(_ transition: JobTransition) -> Bool {
        guard transition.sequence == 0 || transition.sequence > sequence else { return false }
        sequence = max(sequence, transition.sequence)
        // What was told of it does not count any more.
        guard ending != .undone else { return false }
        let known = self
        details.update(from: transition.details)
        switch transition.kind {
        case .ended: end(.final, transition)
        case .requeued: end(.requeued, transition)
        case .vanished:
            guard ending == nil else { break }
            end(.vanished, transition)
        case .corrected:
            end(transition.state == nil ? .requeued : .final, transition)
        case .running:
            if let start = transition.startTime, !isOver, start > 0 { startTime = start }
        case .restored:
            ending = nil
            endTime = nil
            endState = nil
        case .refused, .submitted, .pending, .suspended, .resumed: break
        }
        return ending != known.ending || endTime != known.endTime || endState != known.endState
    }

    private mutating func end(_ how: Ending, _ transition: JobTransition) {
        ending = how
        endTime = max(transition.endTime ?? transition.recordedAt / 1_000_000, startTime)
        endState = EndState(transition.state, isVanished: how == .vanished)
    }
}

extension EndState {
    /// Of a run that was put back while it ran Slurm has no word: to an observer it was cancelled.
    public init(_ state: SchedulerState.Base?, isVanished: Bool = false) {
        switch state {
        case .completed: self = .completed
        case .failed: self = .failed
        case .cancelled, .revoked: self = .cancelled
        case .timeout: self = .timeout
        case .nodeFail: self = .nodeFail
        case .preempted: self = .preempted
        case .bootFail: self = .bootFail
        case .deadline: self = .deadline
        case .outOfMemory: self = .outOfMemory
        case .pending, .running, .suspended, nil: self = isVanished ? .failed : .cancelled
        }
    }
}

extension JobDetails {
    /// What `other` does not say stays.
    fileprivate mutating func update(from other: JobDetails) {
        name = other.name ?? name
        userID = other.userID ?? userID
        userName = other.userName ?? userName
        account = other.account ?? account
        partition = other.partition ?? partition
        nodes = other.nodes ?? nodes
        tres = other.tres ?? tres
        timeLimit = other.timeLimit ?? timeLimit
        adminComment = other.adminComment ?? adminComment
        hetJobID = other.hetJobID ?? hetJobID
        hetJobOffset = other.hetJobOffset ?? hetJobOffset
    }
}

// MARK: what backends are told

extension CockpitRun {
    var user: String { capture?.userName ?? details.userName ?? details.userID.map { "\($0)" } ?? "" }
    var account: String? { (capture?.account ?? details.account).flatMap { $0.isEmpty ? nil : $0 } }
    /// A job that waited in several ran in one.
    var partition: String? { (capture?.partition ?? details.partition).flatMap { $0.isEmpty ? nil : $0 } }

    /// How many nodes it was given; nil: not told.
    var nodeCount: Int? {
        let counts = (details.tres ?? "").split(separator: ",").filter { $0.hasPrefix("node=") }
        return counts.first.flatMap { Int($0.dropFirst("node=".count)) }
    }

    /// Seconds; nil: no limit, which has no number.
    var walltime: Int64? {
        let minutes = capture?.timeLimit ?? details.timeLimit
        return minutes.map { Int64($0) * 60 }
    }

    /// The array's number, of a task.
    var arrayJobID: UInt32? {
        guard let bar = job.firstIndex(of: "_") else { return nil }
        return UInt32(job[..<bar])
    }

    var adminComment: String? { capture?.adminComment ?? details.adminComment }

    var sharing: NodeSharing { capture?.sharing ?? .multiUser }

    /// A site's word in the admin comment, which only operators may change.
    func isMarked(_ word: String) -> Bool {
        guard !word.isEmpty, let comment = adminComment else { return false }
        return comment.split(whereSeparator: { $0 == "," || $0 == ";" || $0.isWhitespace }).contains { $0 == word }
    }
}
