// SPDX-License-Identifier: GPL-3.0-or-later

/// Which runs are told, and with what beside. Made of the settings once.
struct JobFilter: Sendable {
    let metaData: MetaData
    private let optOut: String
    private let ignored: String?

    init(_ settings: CockpitSettings) throws(CockpitError) {
        do throws(SecretPatterns.Problem) {
            metaData = MetaData(
                limit: settings.metaDataLimit, withScript: settings.withScript,
                secrets: try SecretPatterns(settings.secretPatterns))
        } catch {
            throw CockpitError(.configuration, "a pattern of clustercockpit.secret-patterns: \(error)")
        }
        do {
            if let hosts = settings.ignoreHosts { _ = try Regex(hosts) }
        } catch {
            throw CockpitError(.configuration, "clustercockpit.ignore-hosts is not a regular expression: \(error)")
        }
        optOut = settings.optOut
        ignored = settings.ignoreHosts
    }

    /// Why a run is not told; nil: it is.
    func reason(_ run: CockpitRun, nodes: [String]) -> String? {
        if run.isMarked(optOut) { return "its admin comment says \(optOut)" }
        // Regex is not Sendable; a job's start is rare enough to make it again.
        if let ignored, !nodes.isEmpty, let pattern = try? Regex(ignored),
            nodes.allSatisfy({ $0.wholeMatch(of: pattern) != nil })
        {
            return "all its hosts match clustercockpit.ignore-hosts"
        }
        return nil
    }
}
