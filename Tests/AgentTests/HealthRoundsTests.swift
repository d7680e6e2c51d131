// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Agent

@Suite("Rounds of checks")
struct HealthRoundsTests {
    @Test("of what costs more, a service that failed is tried again soon, and nothing else")
    func again() {
        let findings: [Finding] = [
            .init(level: .warning, subject: "slurmdbd", text: ""),
            .init(level: .ok, subject: "sbatch service", text: ""),
            .init(level: .warning, subject: "key's use", text: ""),
            .init(level: .failure, subject: "chain", text: ""),
        ]
        #expect(HealthRounds.unwell(findings) == ["slurmdbd"])
        let untried = Finding(level: .unknown, subject: "sbatch service", text: "")
        #expect(HealthRounds.unwell([untried]) == ["sbatch service"])
        #expect(HealthRounds.unwell([]).isEmpty)
    }
}
