// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Agent

@Suite("Rounds of checks")
struct HealthRoundsTests {
    @Test("a customer's user who is there now is not missed until the next thorough round")
    func customers() {
        let missing = Finding(level: .failure, subject: "users.map", text: "no Unix user: alic")
        let key = Finding(level: .ok, subject: "key", text: "")
        let again = HealthRounds.unwell([missing, key])
        #expect(again == ["users.map"])
        let up = Finding(level: .ok, subject: "slurmctld", text: "")
        #expect(HealthRounds.kept([missing, key], found: [up], again: again) == [key])
        #expect(HealthRounds.kept([missing, key], found: [up, missing], again: again) == [key])
        // Nobody looked.
        #expect(HealthRounds.kept([missing, key], found: [up], again: []) == [missing, key])
        let down = Finding(level: .failure, subject: "slurmctld", text: "")
        #expect(HealthRounds.kept([missing, key], found: [down], again: again) == [missing, key])
    }

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
