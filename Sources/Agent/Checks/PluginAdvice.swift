// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import FoundationEssentials
internal import Slurm

/// What to write into slurm.conf and plugstack.conf so that the plugins report to the agent, beside what a site has there
/// already. No I/O.
struct PluginAdvice: Equatable {
    /// What is known of the site; nil or empty: nothing is.
    struct Site: Equatable {
        /// JobCompType.
        var jobCompletion: String?
        /// JobCompParams; Slurm before 24.11 does not tell it.
        var parameters: String?
        var tellsParameters = false
        /// PluginDir.
        var pluginFolders: [String] = []
        /// The folder with our plugins, when it is none of those.
        var otherFolder: String?
        /// False: our plugins are in no folder that was looked into.
        var isInstalled = true
        /// plugstack.conf on slurmctld's host; its text, or nil when it is not there or cannot be read.
        var plugstack: String?
        var plugstackText: String?
        var plugstackIsThere = false
        /// slurm.conf, when its JobCompType names our plugin, which slurmctld may not know yet.
        var slurmConf: String?
        /// The file whose line names our plugin, and that line.
        var spankFile: String?
        var spankLine: String?
    }

    static let jobCompletion = "jobcomp/grid_agent"
    static let spank = "spank_grid_agent.so"

    /// The agent's sockets.
    var socket: String
    /// `bridge.listen`.
    var listen: String?
    /// nil: slurmctld was not asked, or does not answer.
    var site: Site?

    var text: String { (controller + spank).joined(separator: "\n") }

    // MARK: slurm.conf

    /// What to do about a jobcomp plugin that was not heard of.
    var silentController: [String] {
        let isOurs = site?.jobCompletion == Self.jobCompletion
        if !isOurs, let file = site?.slurmConf {
            return [
                "\(file) names \(Self.jobCompletion), and slurmctld still runs \(site?.jobCompletion ?? "without it"), as it was "
                    + "started before: systemctl restart slurmctld (scontrol reconfigure does not load it)"
            ]
        }
        guard isOurs, controller.isEmpty else { return controller }
        return [
            "\(Self.jobCompletion): slurmctld has loaded it, and nothing came from it since the agent was started. It speaks within "
                + "seconds of slurmctld's start, and of each job: if nothing comes then, look for grid_agent in slurmctld's log"
        ]
    }

    /// What to do about nodes that were not heard of.
    var silentNodes: [String] {
        guard spank.isEmpty, let file = site?.spankFile else { return spank }
        return [
            "\(file) loads \(Self.spank), and no node was heard since the agent was started: a node speaks when a job starts on it, "
                + "if slurmd was started after the line was written: systemctl restart slurmd there, then run a job"
        ]
    }

    /// Lines about slurm.conf; empty when all is there.
    var controller: [String] {
        var lines: [String] = []
        if let folders = site?.pluginFolders, !folders.isEmpty, let other = site?.otherFolder {
            lines.append("  PluginDir=\((folders + [other]).joined(separator: ":"))")
        }
        let isOurs = site?.jobCompletion == Self.jobCompletion
        if !isOurs { lines.append("  JobCompType=\(Self.jobCompletion)") }
        if let parameters = parameters(isOurs: isOurs) { lines.append("  JobCompParams=\(parameters)") }
        guard !lines.isEmpty else { return [] }
        return ["slurm.conf (in place of lines that set the same; then restart slurmctld):"] + lines + remarks(isOurs)
    }

    private var other: String? {
        site?.jobCompletion.flatMap { $0 == "jobcomp/none" || $0 == Self.jobCompletion || $0.isEmpty ? nil : $0 }
    }

    /// nil: as they are they will do.
    private func parameters(isOurs: Bool) -> String? {
        var settings = (site?.parameters ?? "").split(separator: ",").map(String.init)
        let wanted = "grid_agent_socket=\(socket)"
        if isOurs {
            // Where slurmctld does not tell them, the plugin itself says which socket it uses.
            if site?.tellsParameters != true || settings.contains(wanted) { return nil }
            if !settings.contains(where: { $0.hasPrefix("grid_agent_socket=") }),
                socket == AgentConfiguration().bridgeSocket
            {
                return nil
            }
        }
        settings.removeAll { $0.hasPrefix("grid_agent_socket=") || other != nil && $0.hasPrefix("grid_agent_chain=") }
        settings.append(wanted)
        if let other { settings.append("grid_agent_chain=\(other)") }
        return settings.joined(separator: ",")
    }

    private func remarks(_ isOurs: Bool) -> [String] {
        var lines: [String] = []
        if site?.isInstalled == false {
            lines.append(
                "  (First install slurm-grid-agent-plugins: no folder of PluginDir has jobcomp_grid_agent.so, and slurmctld may not start without it.)"
            )
        }
        if let other {
            lines.append(
                "  (\(other) goes on: the agent's plugin hands each record on to it. Leave its JobCompLoc, JobCompHost, … as they are.)"
            )
        } else if site == nil {
            lines.append(
                "  (If JobCompType names another plugin already, keep it: add ,grid_agent_chain=jobcomp/ITS_NAME to JobCompParams.)"
            )
        }
        if !isOurs, site?.tellsParameters != true {
            lines.append("  (If slurm.conf has JobCompParams already, keep what is in it: add these with a comma.)")
        }
        return lines
    }

    // MARK: plugstack.conf

    private func spankArguments(_ line: String) -> [Substring] {
        Array(line.split(whereSeparator: \.isWhitespace).dropFirst(2))
    }

    /// Lines about plugstack.conf; empty when all is there.
    var spank: [String] {
        if let line = site?.spankLine, let file = site?.spankFile {
            let arguments = spankArguments(line)
            let uses = arguments.first { $0.hasPrefix("socket=") }.map { String($0.dropFirst(7)) }
            let isRemote = arguments.contains { $0.hasPrefix("controller=") }
            if line.hasPrefix("required") {
                return [
                    "\(file): make its line `optional \(line.split(whereSeparator: \.isWhitespace).dropFirst().joined(separator: " "))`: a required plugin that fails drains nodes."
                ]
            }
            if isRemote || (uses ?? AgentConfiguration().bridgeSocket) == socket { return [] }
            return ["\(file) names another socket; the agent's is:", "  optional \(Self.spank) socket=\(socket)"]
        }
        let place = plugstackPlace
        var lines = [
            "\(place) on every node, then restart slurmd (where the agent runs on the same host):",
            "  optional \(spankPath) socket=\(socket)",
        ]
        if let listen, let port = ListenAddress(listen)?.port {
            let address = ListenAddress(listen).map(\.host) ?? ""
            let isAny = ["0.0.0.0", "::"].contains(address)
            let shown = isAny ? "ADDRESS:\(port)" : listen
            lines += [
                "on other hosts\(isAny ? ", with a numeric address of this host" : ""):",
                "  optional \(spankPath) controller=\(shown)",
            ]
        } else {
            lines += [
                "on other hosts, once bridge.listen is set in the agent's configuration:",
                "  optional \(spankPath) controller=ADDRESS:PORT",
            ]
        }
        return lines
    }

    /// slurmd looks for a name without a folder in PluginDir.
    private var spankPath: String {
        guard let other = site?.otherFolder, site?.pluginFolders.isEmpty == false else { return Self.spank }
        return other + "/" + Self.spank
    }

    private var plugstackPlace: String {
        guard let file = site?.plugstack else { return "plugstack.conf: a line more (what is there stays)" }
        if let folder = includedFolder(file) {
            return "\(folder)/slurm-grid-agent.conf: a file of its own (\(file) includes it)"
        }
        return site?.plugstackIsThere == true
            ? "\(file): a line more (what is there stays)" : "\(file): a new file with this line"
    }

    /// The folder of an `include …/*` or `include …/*.conf` line.
    private func includedFolder(_ file: String) -> String? {
        for line in (site?.plugstackText ?? "").split(whereSeparator: \.isNewline) {
            let words = line.split(whereSeparator: \.isWhitespace)
            guard words.count > 1, words[0] == "include" else { continue }
            for tail in ["/*", "/*.conf"] where words[1].hasSuffix(tail) {
                let folder = words[1].dropLast(tail.count)
                if folder.contains(where: { "*?[".contains($0) }) { continue }
                if folder.hasPrefix("/") { return String(folder) }
                return (file.lastIndex(of: "/").map { String(file[...$0]) } ?? "") + folder
            }
        }
        return nil
    }
}

extension PluginAdvice.Site {
    /// Where packages and `make install` put plugins.
    private static let usualFolders = [
        "/usr/lib/x86_64-linux-gnu/slurm-wlm", "/usr/lib/aarch64-linux-gnu/slurm-wlm", "/usr/lib64/slurm",
        "/usr/lib/slurm",
        "/usr/local/lib/slurm",
    ]

    /// Looks at what slurmctld says of itself and, on its host, at plugstack.conf and the plugin's file.
    /// - Parameter slurmConfFile: as configured; what it includes is not looked at.
    init(_ cluster: Cluster, slurmConfFile: String? = nil) {
        self.init()
        jobCompletion = cluster.jobCompletionType
        parameters = cluster.jobCompletionParameters
        slurmConf = slurmConfFile.flatMap { file in
            let text = FileManager.default.contents(atPath: file).map { String(decoding: $0, as: UTF8.self) }
            return text.map(Checks.namesPlugin) == true ? file : nil
        }
        tellsParameters = parameters != nil || Self.tellsParameters(cluster.controllerVersion)
        pluginFolders = cluster.pluginFolders
        func hasPlugin(_ folder: String) -> Bool {
            FileManager.default.fileExists(atPath: folder + "/jobcomp_grid_agent.so")
        }
        if !pluginFolders.contains(where: hasPlugin) {
            otherFolder = Self.usualFolders.first(where: hasPlugin)
            isInstalled = otherFolder != nil
        }
        plugstack = cluster.plugstackFile
        if let plugstack {
            plugstackIsThere = FileManager.default.fileExists(atPath: plugstack)
            plugstackText = FileManager.default.contents(atPath: plugstack).map { String(decoding: $0, as: UTF8.self) }
            let place = Plugstack.place(naming: PluginAdvice.spank, from: plugstack)
            (spankFile, spankLine) = (place?.file, place?.line)
        }
    }

    /// From 24.11 on.
    static func tellsParameters(_ version: String) -> Bool {
        let parts = version.split(separator: ".").prefix(2).compactMap { Int($0) }
        return parts.count == 2 && (parts[0], parts[1]) >= (24, 11)
    }
}
