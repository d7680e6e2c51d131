// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import ClusterBenchmarks
internal import StatusViews

/// `benchmark` in the status.
struct BenchmarkSection: GatewayStatusSection {
    static let key: String? = "benchmark"

    /// The newest run.
    var run: BenchmarkRun?
    var labels: [String: MeasuredLabel] = [:]
    /// The last values of those that are numbers, the oldest first.
    var trends: [String: [Double]]?
    /// Why it does not go on.
    var trouble: String?
    /// By kind, since the start; nil: nothing is posted.
    var posts: PostCounts?

    init() {}

    init(_ running: BenchmarkRunning) async {
        let runner = running.runner
        posts = running.door == nil ? nil : runner.postCounts
        trouble = await runner.trouble
        do throws(BenchmarkError) {
            (run, labels) = (try await runner.history(limit: 1).first, try await runner.measured())
            trends = try await runner.trends()
        } catch {
            trouble = error.description
        }
    }

    /// `run 3: compute submitted, job 17, 40 s; 12 labels`
    func text(at now: Int64) -> String {
        let known = "\(labels.count) labels measured"
        guard let run else { return "nothing measured yet" }
        guard run.endedAt == nil, let part = run.parts.first(where: { $0.state.isOpen }) else {
            let failed = run.parts.filter { $0.state == .failed }.map(\.part.rawValue)
            return "\(known); run \(run.id) is over" + (failed.isEmpty ? "" : ", failed: \(shown(failed))")
        }
        let (done, all) = (run.parts.count { !$0.state.isOpen }, run.parts.count)
        var text = "run \(run.id): \(done) of \(all) done, \(part.part.rawValue)"
        if let job = part.job { text += ", job \(job)" }
        if let since = part.startedAt { text += ", runs for \(max(0, now - since)) s" } else { text += " waits" }
        if let progress = part.progress { text += ", \(progress.name) at \(progress.percent) %" }
        if let expected = part.expected { text += ", last time \(expected) s" }
        return text + "; " + known
    }

    func html(_ page: StatusPage) -> HTML {
        let rows: [HTML] = labels.sorted { $0.key < $1.key }.map { key, label in
            """
            <tr><td>\(key)</td><td>\(label.value)</td><td>\("\(label.run)")</td><td class="bar">\(Self.plot(trends?[key] ?? []))</td></tr>

            """
        }
        let body: HTML =
            rows.isEmpty
            ? StatusPage.empty("Nothing measured yet: slurm-grid-agent benchmark run")
            : "<table><thead><tr><th>label</th><th>value</th><th>run</th><td class=\"bar\"></td></tr></thead><tbody>\(rows)</tbody></table>"
        return page.section(
            "benchmark", "Benchmarks", "What of the cluster was measured.", "<p>\(text(at: page.status.now))</p>\(body)"
        )
    }

    /// The last values as a line, from nought to the most; nothing where there are not two.
    static func plot(_ values: [Double]) -> HTML {
        guard values.count > 1, let most = values.max(), most > 0 else { return "" }
        let points = values.enumerated().map { index, value in
            let (x, y) = (Double(index) / Double(values.count - 1) * 100, 8 - max(0, value) / most * 7)
            return "\(Int(x.rounded())),\(Int(y.rounded()))"
        }
        return """
            <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><polyline points="\(points.joined(separator: " "))" \
            fill="none" stroke="currentColor"/></svg>
            """
    }

    static let metrics = [
        MetricFamily("benchmark_labels", "Labels that were measured.") { status in
            status[BenchmarkSection.self].map { [.init($0.labels.count)] } ?? []
        },
        MetricFamily(
            "benchmark_oldest_label_timestamp_seconds", unit: "seconds", "When the oldest of them was measured."
        ) { status in
            status[BenchmarkSection.self]?.labels.values.map(\.measuredAt).min().map { [.init($0)] } ?? []
        },
        MetricFamily("benchmark_parts", "Parts of the newest run by their state.") { status in
            guard let run = status[BenchmarkSection.self]?.run else { return [] }
            return Dictionary(grouping: run.parts, by: \.state.rawValue).sorted { $0.key < $1.key }.map {
                .init($0.value.count, ("state", $0.key))
            }
        },
        MetricFamily("benchmark_posts", kind: .counter, "What jobs posted since the start, by what became of it.") {
            status in
            guard let posts = status[BenchmarkSection.self]?.posts else { return [] }
            return PostCounts.Kind.allCases.map { .init(posts[$0], ("result", $0.rawValue)) }
        },
        MetricFamily("benchmark_value", "The newest values, by label.") { status in
            (status[BenchmarkSection.self]?.labels ?? [:]).sorted { $0.key < $1.key }.compactMap { key, label in
                guard Double(label.value)?.isFinite == true, label.value.contains(".") else { return nil }
                var sample = MetricFamily.Sample(decimal: label.value)
                sample.labels = [("key", key)]
                return sample
            }
        },
    ]
}
