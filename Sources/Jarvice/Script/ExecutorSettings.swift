// SPDX-License-Identifier: GPL-3.0-or-later

/// How applications are run on the cluster.
public struct ExecutorSettings: Sendable, Equatable {
    public enum Executor: String, Sendable, CaseIterable {
        case singularity
        /// The same script.
        case apptainer
    }

    public var executor = Executor.singularity
    /// `$HOME` and `$USER` are the job's user's. Empty: the home directory.
    public var scratch = ""
    public var globalScratch = ""
    public var temporaryDirectory = "/tmp"
    /// MB; 0: writable tmpfs.
    public var overlay = 600
    public var isVerbose = false
    public var httpProxy = ""
    public var httpsProxy = ""
    public var noProxy = ""
    public var registries = RegistrySettings()

    public init() {}

    /// With a slash at its end, unless it is empty.
    static func directory(_ path: String) -> String { path.isEmpty || path.hasSuffix("/") ? path : path + "/" }

    /// Where jobs of a user write, on this cluster.
    func scratch(home: String, user: String) -> String {
        let path = ShellText.path(scratch, home: home, user: user)
        if path.isEmpty { return Self.directory(home) }
        return Self.directory(path.hasPrefix("/") ? path : Self.directory(home) + path)
    }
}
