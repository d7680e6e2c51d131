// SPDX-License-Identifier: GPL-3.0-or-later

/// The bodies of requests. cc-backend refuses fields that it does not know, so each is left out where a release lacks it.
struct StartMessage: Encodable, Sendable, Hashable {
    struct Resource: Encodable, Sendable, Hashable {
        var hostname: String
        var hwthreads: [Int]?
        var accelerators: [String]?
    }

    struct Tag: Encodable, Sendable, Hashable {
        var type: String
        var name: String
        var scope: String?
    }

    var jobId: Int64
    var user: String
    var cluster: String
    var project: String?
    var partition: String?
    var numNodes: Int
    var numHwthreads: Int?
    var numAcc: Int?
    var resources: [Resource]
    var startTime: Int64
    var walltime: Int64?
    var shared: String?
    var exclusive: Int?
    var smt: Int?
    var arrayJobId: Int64?
    var submitTime: Int64?
    var requestedMemory: Int64?
    var metaData: [String: String]?
    var tags: [Tag]?
}

struct StopMessage: Encodable, Sendable, Hashable {
    var jobId: Int64
    var cluster: String
    var startTime: Int64
    var jobState: String
    var stopTime: Int64
}

struct DeleteMessage: Encodable, Sendable, Hashable {
    var jobId: Int64
    var cluster: String
    var startTime: Int64
}

extension StartMessage {
    /// - Parameter tags: without a scope.
    init(
        _ run: CockpitRun, placement: JobPlacement, metaData: [String: String], tags: [(type: String, name: String)],
        cluster: String, release: BackendRelease
    ) {
        jobId = Int64(run.jobID)
        user = run.user
        self.cluster = cluster
        project = run.account
        partition = run.partition
        numNodes = placement.nodes.count
        numHwthreads = placement.hwthreads.map { Self.bounded($0) }
        numAcc = placement.accelerators.map { Self.bounded($0) }
        resources = placement.nodes.map {
            .init(hostname: $0.host, hwthreads: $0.hwthreads, accelerators: $0.accelerators)
        }
        startTime = run.startTime
        walltime = run.walltime
        smt = placement.usesSMT.map { $0 ? 1 : 0 }
        arrayJobId = run.arrayJobID.map(Int64.init)
        self.metaData = metaData.isEmpty ? nil : metaData
        if !tags.isEmpty {
            self.tags = tags.map { Tag(type: $0.type, name: $0.name, scope: release.hasTagScope ? "global" : nil) }
        }
        if release.hasShared {
            shared = run.sharing.rawValue
            submitTime = run.submitTime
            requestedMemory = run.capture?.requestedMemory
        } else {
            exclusive = run.sharing.number
        }
    }

    private static func bounded(_ number: Int) -> Int { min(max(0, number), Int(Int32.max)) }
}

/// With whom a job shares its nodes, in the backend's words.
public enum NodeSharing: String, Sendable, Hashable, Codable {
    case none
    case singleUser = "single_user"
    case multiUser = "multi_user"

    /// `exclusive`, up to 1.4.
    var number: Int {
        switch self {
        case .multiUser: 0
        case .none: 1
        case .singleUser: 2
        }
    }
}
