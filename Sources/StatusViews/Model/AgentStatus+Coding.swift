// SPDX-License-Identifier: GPL-3.0-or-later

// Written out, as the sections of gateways lie beside the agent's own fields.
extension AgentStatus {
    private enum CodingKeys: String, CodingKey {
        case version, startedAt, now, health, summary, isReady, cluster, slurmVersion, parts, jobs, deliveries, problems
        case problemCounts, listening
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            version: try container.decode(String.self, forKey: .version),
            startedAt: try container.decode(Int64.self, forKey: .startedAt),
            now: try container.decode(Int64.self, forKey: .now),
            health: try container.decode(Level.self, forKey: .health),
            summary: try container.decode(String.self, forKey: .summary),
            isReady: try container.decode(Bool.self, forKey: .isReady))
        cluster = try container.decodeIfPresent(String.self, forKey: .cluster)
        slurmVersion = try container.decodeIfPresent(String.self, forKey: .slurmVersion)
        parts = try container.decode([Part].self, forKey: .parts)
        jobs = try container.decode(Jobs.self, forKey: .jobs)
        deliveries = try container.decode([Deliveries].self, forKey: .deliveries)
        problems = try container.decode([Problem].self, forKey: .problems)
        problemCounts = try container.decodeIfPresent([String: Int].self, forKey: .problemCounts)
        listening = try container.decodeIfPresent([String].self, forKey: .listening)
        sections = try AllGatewaySections(from: decoder)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(version, forKey: .version)
        try container.encode(startedAt, forKey: .startedAt)
        try container.encode(now, forKey: .now)
        try container.encode(health, forKey: .health)
        try container.encode(summary, forKey: .summary)
        try container.encode(isReady, forKey: .isReady)
        try container.encodeIfPresent(cluster, forKey: .cluster)
        try container.encodeIfPresent(slurmVersion, forKey: .slurmVersion)
        try container.encode(parts, forKey: .parts)
        try container.encode(jobs, forKey: .jobs)
        try container.encode(deliveries, forKey: .deliveries)
        try container.encode(problems, forKey: .problems)
        try container.encodeIfPresent(problemCounts, forKey: .problemCounts)
        try container.encodeIfPresent(listening, forKey: .listening)
        try sections.encode(to: encoder)
    }
}
