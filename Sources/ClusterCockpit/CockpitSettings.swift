// SPDX-License-Identifier: GPL-3.0-or-later

/// What an administrator settles of ClusterCockpit.
public struct CockpitSettings: Sendable {
    /// One cc-backend.
    public struct Backend: Sendable, Hashable {
        public var name: String
        /// `https://cc.example.org`, without `/api`.
        public var url: String
        /// Read before each use: it may be exchanged while the agent runs.
        public var tokenFile: String
        /// In systemd's credentials folder.
        public var isCredential: Bool
        /// It takes jobs there, and not by HTTP; nil: by HTTP.
        public var nats: NATS?

        public init(name: String, url: String, tokenFile: String, isCredential: Bool = false) {
            self.name = name
            self.url = url
            self.tokenFile = tokenFile
            self.isCredential = isCredential
        }
    }

    /// Where a backend hears of jobs by NATS.
    public struct NATS: Sendable, Hashable {
        /// `nats://HOST:PORT` or `tls://HOST:PORT`.
        public var url: String
        /// The backend's `subject-job-event`.
        public var subject: String
        public var user: String?
        /// Of the user's password, or without a user of a token. Read at each login.
        public var secretFile: String?
        public var isCredential: Bool

        public init(
            url: String, subject: String = "jobs", user: String? = nil, secretFile: String? = nil,
            isCredential: Bool = false
        ) {
            self.url = url
            self.subject = subject
            self.user = user
            self.secretFile = secretFile
            self.isCredential = isCredential
        }
    }

    public var backends: [Backend] = []
    /// As the backends name this cluster.
    public var cluster: String
    /// A PEM file that is trusted instead of the system's.
    public var certificateAuthority: String?
    public var requeue = RequeueStorage.replace
    /// A job with this word in its admin comment is not told.
    public var optOut = "disable_cc_submission"
    /// A regular expression: a job all of whose hosts match is not told.
    public var ignoreHosts: String?
    public var withScript = false
    public var secretPatterns: [String] = []
    /// Bytes of each value of the metaData.
    public var metaDataLimit = 65_536
    public var tags: [(type: String, name: String)] = []
    public var hardware = HardwareTable()
    /// Rows of jobs that nobody here knows are stopped, not only told.
    public var stopsUnknown = false
    /// How old such a row has to be.
    public var unknownAfter: Duration = .seconds(86_400)
    public var tellsNodeStates = true
    public var nodeStateInterval: Duration = .seconds(60)
    /// Requests at once, to each backend.
    public var parallel = 4
    public var compareInterval: Duration = .seconds(6 * 3600)
    /// So long after a start was published it is looked up whether the backend has it: longer than that may keep it from its
    /// lists.
    public var confirmAfter: Duration = .seconds(180)
    /// For one answer: a stop may wait for the backend's archiver.
    public var timeout: Duration = .seconds(60)

    public init(cluster: String) { self.cluster = cluster }
}
