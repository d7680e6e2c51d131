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
            data[name] = bounded(value.filter { $0 != "\0" })
        }
        set("jobName", run.details.name)
        set("submitTime", "\(run.submitTime)")
        set("slurmInfo", run.capture?.slurmInfo.map(secrets.redact))
        if withScript { set("jobScript", run.capture?.script.map(secrets.redact)) }
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

/// What a site does not want to leave the cluster: a line in which one of its patterns is found loses that part.
public struct SecretPatterns: Sendable {
    private let patterns: [@Sendable (Substring) -> Substring?]

    /// - Throws: for a pattern that is not a regular expression.
    public init(_ texts: [String]) throws {
        patterns = try texts.map { text in
            _ = try Regex(text)
            return { line in
                // Regex is not Sendable; a job's start is rare enough to make it again.
                guard let regex = try? Regex(text), let match = line.firstMatch(of: regex), !match.range.isEmpty else {
                    return nil
                }
                return line[match.range]
            }
        }
    }

    public static let replacement = "[removed]"

    func redact(_ text: String) -> String {
        guard !patterns.isEmpty else { return text }
        return text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            var line = String(line)
            for pattern in patterns {
                // Each turn makes what is left to look at shorter.
                var done = line.startIndex
                while done < line.endIndex, let found = pattern(line[done...]) {
                    let distance = line.utf8.distance(from: line.startIndex, to: found.startIndex)
                    line.replaceSubrange(found.startIndex..<found.endIndex, with: Self.replacement)
                    done = line.utf8.index(line.startIndex, offsetBy: distance + Self.replacement.utf8.count)
                }
            }
            return line
        }.joined(separator: "\n")
    }
}
