// SPDX-License-Identifier: GPL-3.0-or-later

internal import Logging
internal import Support

/// Where the cores and GPUs of a run come from.
extension BackendSender {
    /// Unix ms after a start for which its nodes are waited for.
    static let nodePatience: Int64 = 3000
    /// The same for a node that nobody has heard, where others tell: its first step says what it is made of.
    static let strangerPatience: Int64 = 10_000
    /// Unix ms after the agent's own start for which the nodes of earlier runs are waited for: what they said to nobody they have
    /// kept, and try to say at least every 15 s.
    static let latePatience: Int64 = 20_000
    /// ms from the agent's start until its doors are open.
    static let opening: Int64 = 5000
    /// For so long, in ms, a node that was waited for in vain is not waited for again.
    static let silenceLasts: Int64 = 600_000
    /// Slurm's nodes do not change often.
    private static let shapesLast: Int64 = 600_000
    private static let strangersLast: Int64 = 60_000

    /// What of the nodes' words agrees with what Slurm believes; asked only where there is one.
    func agreement(_ words: NodeWords) async throws(CockpitError) -> NodeWords {
        guard !words.shares.isEmpty || !words.hardware.isEmpty else { return words }
        let names = Set(words.shares.keys).union(words.hardware.keys)
        let age = shapes.map { now() - $0.at } ?? .max
        // A node may be new; one that Slurm does not have is not asked for all the time.
        let isKnown = names.allSatisfy { shapes?.known[$0] != nil } || age < Self.strangersLast
        guard age >= Self.shapesLast || !isKnown else { return words.agreeing(with: shapes?.known ?? [:]) }
        do throws(CockpitError) {
            shapes = (try await cluster.shapes(), now())
        } catch {
            // slurmctld may be away for long: what it said last does.
            guard shapes != nil else { throw error }
        }
        return words.agreeing(with: shapes?.known ?? [:])
    }

    /// Whether a node of a run that has just started, or started before the agent did, may say more of it than is known. One that
    /// never does delays no more than its first jobs.
    func waits(
        _ run: CockpitRun, _ nodes: [String], _ words: NodeWords, for placement: JobPlacement
    ) -> Bool {
        let start = run.startTime.saturatingMultiply(1000)
        if start < beganAt + Self.opening, (0..<Self.latePatience).contains(now() - beganAt),
            nodes.contains(where: {
                words.hardware[$0] != nil
                    ? placement.misses($0, run, words.shares[$0]) : words.isPluginHeard && words.isUnheard($0)
            })
        {
            return true
        }
        let sinceStart = now().saturatingSubtract(start)
        // One that starts in the future was dated by a clock that was ahead: nobody waits until then.
        let age = sinceStart < 0 ? Int64.max : sinceStart
        if age < Self.nodePatience,
            nodes.contains(where: { placement.misses($0, run, words.shares[$0]) && words.hardware[$0] != nil })
        {
            return true
        }
        let strangers = words.isPluginHeard ? nodes.filter { words.isUnheard($0) } : []
        guard age >= Self.strangerPatience else {
            guard strangers.contains(where: { silent[$0].map { now() - $0 >= Self.silenceLasts } ?? true }) else {
                awaited.remove(run.id)
                return false
            }
            awaited.insert(run.id)
            return true
        }
        if awaited.remove(run.id) != nil { for node in strangers { silent[node] = now() } }
        return false
    }

    func placement(_ run: CockpitRun, _ nodes: [String], _ words: NodeWords) async -> JobPlacement {
        var placement = JobPlacement(
            run, nodes: nodes, topology: topology, table: settings.hardware, words: words)
        guard !placement.unknownNodes.isEmpty else { return placement }
        // Nodes may be new; each minute is often enough to ask.
        if now() - (topologyReadAt ?? 0) > 60_000 {
            await readTopology(isNeeded: false)
            placement = JobPlacement(run, nodes: nodes, topology: topology, table: settings.hardware, words: words)
        }
        if !placement.unknownNodes.isEmpty {
            logger.warning(
                "nodes are in no subcluster of the backend: add them to its cluster.json",
                metadata: metadata(run, placement.unknownNodes.joined(separator: ",")))
        }
        return placement
    }
}
