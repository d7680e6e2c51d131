// SPDX-License-Identifier: GPL-3.0-or-later

import ClusterBenchmarks
import FoundationEssentials
import Testing

@testable import Agent

@Suite("Benchmarks in the status") struct BenchmarkSectionTests {
    private static func section(_ part: String) throws -> BenchmarkSection {
        let text = """
            {"run": {"id": 3, "begun_at": 1000, "is_cancelled": false, "parts": [
              {"id": 1, "part": "machine", "hardware": "2x 1", "state": "done", "labels": {}},
              {"id": 2, "part": "compute", "hardware": "2x 1", "labels": {}, \(part)}]},
             "labels": {"compute.gflops": {"value": "5.00", "measured_at": 900, "run": 2}}}
            """
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(BenchmarkSection.self, from: Data(text.utf8))
    }

    @Test(
        "what is under way, for how long, and how long it took last time",
        arguments: [
            (#""state": "submitted""#, "run 3: 1 of 2 done, compute waits; 1 labels measured"),
            (
                #""state": "submitted", "job": 7, "started_at": 1010"#,
                "run 3: 1 of 2 done, compute, job 7, runs for 40 s; 1 labels measured"
            ),
            (
                #""state": "submitted", "job": 7, "started_at": 1010, "progress": {"name": "hpcc", "percent": 45}"#,
                "run 3: 1 of 2 done, compute, job 7, runs for 40 s, hpcc at 45 %; 1 labels measured"
            ),
            (
                #""state": "submitted", "job": 7, "started_at": 1010, "expected": 120"#,
                "run 3: 1 of 2 done, compute, job 7, runs for 40 s, last time 120 s; 1 labels measured"
            ),
        ])
    func text(_ part: String, _ text: String) throws {
        #expect(try Self.section(part).text(at: 1050) == text)
    }

    @Test("a plot needs two values and something above nought; none leaves its box")
    func plot() {
        for values in [[], [1], [0, 0], [-1, -2]] as [[Double]] {
            #expect(BenchmarkSection.plot(values).text.isEmpty)
        }
        #expect(BenchmarkSection.plot([1, 2, 4]).text.contains("points=\"0,6 50,5 100,1\""))
        let extreme = BenchmarkSection.plot([.greatestFiniteMagnitude, -1, .leastNonzeroMagnitude])
        #expect(extreme.text.contains("points=\"0,1 50,8 100,8\""))
    }
}
