// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@testable import Agent
@testable import ClusterBenchmarks
@testable import CommandOutput

@Suite("What is said of a benchmark while it goes on") struct BenchmarkFollowTests {
    private func part(_ change: (inout BenchmarkRun.Part) -> Void) -> BenchmarkRun.Part {
        var part = BenchmarkRun.Part(
            id: 1, part: .compute, hardware: "2x 4 CPUs", state: .submitted, labels: [:])
        change(&part)
        return part
    }

    @Test("a bar by the program's own word, else by what the last one took, else without an end")
    func bars() {
        let waits = part { $0.job = 7 }
        let runs = part { $0.startedAt = 100 }
        let late = part { ($0.startedAt, $0.expected) = (100, 40) }
        let known = part { ($0.startedAt, $0.expected, $0.progress) = (100, 40, .init(name: "hpcc", percent: 45)) }
        for (part, now, words, done, total) in [
            (waits, 110, "compute: job 7 waits", 0, 0), (runs, 110, "compute: 10 s", 0, 0),
            (late, 110, "compute: 10 s, last time 40 s", 10, 40), (late, 990, "compute: 890 s, last time 40 s", 39, 40),
            (known, 110, "compute, hpcc: 45 %, 10 s", 45, 100), (known, 90, "compute, hpcc: 45 %, 0 s", 45, 100),
        ] as [(BenchmarkRun.Part, Int64, String, Int, Int)] {
            let bar = BenchmarkFollow.Bar(part, now: now)
            #expect(bar?.words == words && bar?.done == done && bar?.total == total, "\(String(describing: bar))")
        }
        for state in [BenchmarkRun.Part.State.planned, .done, .failed, .skipped, .cancelled] {
            #expect(BenchmarkFollow.Bar(part { $0.state = state }, now: 0) == nil)
        }
    }

    @Test("each part that is over is told once")
    func lines() {
        var follow = BenchmarkFollow()
        var run = BenchmarkRun(id: 1, begunAt: 1, endedAt: nil, isCancelled: false, parts: [part { _ in }])
        #expect(follow.lines(run).isEmpty)
        run.parts[0].state = .failed
        (run.parts[0].startedAt, run.parts[0].endedAt, run.parts[0].message) = (100, 140, "the job ended as TIMEOUT")
        #expect(follow.lines(run) == ["compute on 2x 4 CPUs: failed, 40 s: the job ended as TIMEOUT"])
        #expect(follow.lines(run).isEmpty)
    }

    @Test("words without an end have no bar")
    func unknown() {
        var written: [String] = []
        var bar = ProgressBar(isTerminal: true, columns: 60, write: { written.append($0) })
        bar.show(words: "compute: 10 s", done: 0, of: 0)
        bar.show(words: "compute, hpcc: 50 %", done: 50, of: 100)
        #expect(written[0] == "\rcompute: 10 s\u{1b}[K")
        #expect(written[1].hasPrefix("\r[###") && written[1].contains("---] compute, hpcc: 50 %"))
    }
}
