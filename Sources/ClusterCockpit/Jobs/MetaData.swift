// SPDX-License-Identifier: GPL-3.0-or-later

internal import JobLifecycle

/// What a backend shows beside a job. All values are text.
struct MetaData: Sendable {
    /// Bytes of each value.
    var limit: Int
    var withScript: Bool
    var secrets: SecretPatterns

    static let cut = "\n[cut: the rest is longer than the limit]"

    func of(_ run: CockpitRun, placementSource: PlacementSource?) -> [String: String] {
        var data: [String: String] = [:]
        func set(_ name: String, _ value: String?) {
            guard let value, !value.isEmpty else { return }
            data[name] = bounded(value)
        }
        /// What users write: zero bytes first, which would hide a secret from its pattern and then be gone.
        func clean(_ text: String) -> String {
            var text = text
            text.unicodeScalars.removeAll { $0 == "\0" }
            return secrets.redact(text)
        }
        set("jobName", run.details.name.map(clean))
        set("submitTime", "\(run.submitTime)")
        set("slurmInfo", run.capture?.slurmInfo.map(clean))
        if withScript { set("jobScript", run.capture?.script.map(clean)) }
        if let leader = run.details.hetJobID {
            set("hetJobId", "\(leader)")
            set("hetJobOffset", run.details.hetJobOffset.map { "\($0)" })
        }
        set("placementSource", placementSource?.rawValue)
        return data
    }

    /// Whole characters, so that it stays UTF-8.
    private func bounded(_ text: String) -> String {
        guard text.utf8.count > limit else { return text }
        var kept = ""
        var size = 0
        let room = max(0, limit - Self.cut.utf8.count)
        for character in text {
            let bytes = character.utf8.count
            guard size + bytes <= room else { break }
            kept.append(character)
            size += bytes
        }
        return kept + Self.cut
    }
}
