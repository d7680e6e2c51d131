// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import ClusterBenchmarks

/// What the running agent answers of benchmarks.
struct BenchmarkControl {
    let parts: RunningParts

    struct Begun: Codable, Sendable {
        var run: Int64
    }

    struct Cancelled: Codable, Sendable {
        /// nil: none was under way.
        var run: Int64?
    }

    struct Shown: Codable, Sendable {
        var runs: [BenchmarkRun]
        var labels: [String: MeasuredLabel]
        var trouble: String?
    }

    var all: [String: ControlServer.Handler] {
        [
            "benchmark-plan": { request in
                try ControlServer.single(try await runner().plan(try Self.wanted(request)))
            },
            "benchmark-run": { request in
                try ControlServer.single(Begun(run: try await runner().begin(try Self.wanted(request))))
            },
            "benchmark-cancel": { _ in try ControlServer.single(Cancelled(run: try await runner().cancel())) },
            "benchmark-results": { request in
                let run = try Self.run(request)
                return try ControlServer.single(try await runner().results(run: run, try Self.wanted(request)))
            },
            "benchmark": { request in
                let runner = try await runner()
                return try ControlServer.single(
                    Shown(
                        runs: try await runner.history(limit: request.limit ?? 1), labels: try await runner.measured(),
                        trouble: await runner.trouble))
            },
        ]
    }

    private func runner() async throws(ControlFailure) -> BenchmarkRunner {
        let module = BenchmarkModule()
        guard module.isConfigured(in: parts.configuration) else {
            throw ControlFailure(
                description: parts.configured().map { module.isConfigured(in: $0) } == true
                    ? RunningParts.staleConfiguration
                    : parts.configuration.benchmark.isDisabled
                        ? "benchmark.disable is true"
                        : "benchmark.run-as is not set: whose jobs they are"
            )
        }
        return try await parts.running(module, "benchmarks' part") { ($0 as? BenchmarkRunning)?.runner }
    }

    /// - Returns: nil: the newest one.
    private static func run(_ request: ControlRequest) throws(ControlFailure) -> Int64? {
        guard let word = request.arguments?["run"] else { return nil }
        guard let number = Int64(word) else {
            throw ControlFailure(description: "\(quoted(word)) is not the number of a run")
        }
        return number
    }

    /// - Returns: none: all.
    private static func wanted(_ request: ControlRequest) throws(ControlFailure) -> [BenchmarkPart] {
        var parts: [BenchmarkPart] = []
        for word in (request.arguments?["parts"] ?? "").split(separator: ",") {
            guard let part = BenchmarkPart(rawValue: String(word)) else {
                throw ControlFailure(
                    description:
                        "there is no part \(quoted(String(word))); there are: \(shown(BenchmarkPart.allCases.map(\.rawValue)))"
                )
            }
            parts.append(part)
        }
        return parts
    }
}
