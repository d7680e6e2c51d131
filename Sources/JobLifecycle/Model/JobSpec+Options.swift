// SPDX-License-Identifier: GPL-3.0-or-later

extension JobSpec {
    /// What only some gateways ask for. Texts are in the scheduler's own words; what is nil is left to its defaults.
    public struct Options: Sendable, Hashable, Codable {
        public enum Exclusive: String, Sendable, Hashable, Codable {
            /// Whole nodes.
            case nodes
            case user
            case mcs
        }

        /// Of one type; nil: of any.
        public struct GPUs: Sendable, Hashable, Codable {
            public var count: UInt32
            public var type: String?

            public init(count: UInt32, type: String? = nil) {
                self.count = count
                self.type = type
            }
        }

        /// Exactly so many.
        public var nodes: UInt32?
        public var tasksPerNode: UInt32?
        public var minimumCPUsPerNode: UInt32?
        public var exclusive: Exclusive?
        /// How much its priority in the queue is lowered.
        public var nice: UInt32?
        public var gpusPerJob: [GPUs]?
        public var gpusPerNode: [GPUs]?
        public var gpusPerTask: [GPUs]?
        /// `name:type:count`, with commas.
        public var gres: String?
        public var isUnlimited: Bool?
        public var licenses: String?
        public var reservation: String?
        public var constraint: String?
        public var nodeList: String?
        public var excludedNodes: String?
        public var wckey: String?
        public var mcsLabel: String?
        public var array: String?
        public var dependency: String?
        /// Unix seconds.
        public var begin: Int64?
        public var workDirectory: String?
        public var standardError: String?
        public var standardInput: String?
        public var mailEvents: [String]?
        public var mailRecipient: String?
        /// Slurm may put the job back into the queue.
        public var requeue: Bool?
        /// The job stays held until its gateway, or its user, lets it go.
        public var staysHeld: Bool?

        public init() {}

        enum CodingKeys: String, CodingKey {
            case nodes
            case tasksPerNode = "tasks_per_node"
            case minimumCPUsPerNode = "minimum_cpus_per_node"
            case exclusive, nice
            case gpusPerJob = "gpus_per_job"
            case gpusPerNode = "gpus_per_node"
            case gpusPerTask = "gpus_per_task"
            case gres
            case isUnlimited = "unlimited"
            case licenses, reservation, constraint
            case nodeList = "node_list"
            case excludedNodes = "excluded_nodes"
            case wckey
            case mcsLabel = "mcs_label"
            case array, dependency, begin
            case workDirectory = "work_directory"
            case standardError = "standard_error"
            case standardInput = "standard_input"
            case mailEvents = "mail_events"
            case mailRecipient = "mail_recipient"
            case requeue
            case staysHeld = "stays_held"
        }
    }
}
