// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Agent
@testable import AgentSettings

@Suite("Secrets in the configuration")
struct SecretKeyTests {
    @Test("neither start report nor errors repeat a secret")
    func everywhere() throws {
        var configuration = AgentConfiguration()
        try configuration.take(environment: [
            "BENCHMARK_ENV": "TOKEN=hunter2", "BENCHMARK_HPL_IMAGE": "https://me:hunter2@images.example.org/hpl",
            "METASCHEDULER_ENDPOINT_RPC": "https://node.example.org/hunter2",
        ])
        #expect(!configuration.effective.contains { $0.value.contains("hunter2") })
        for key in Gateways.schema.keys where key.form != .gone {
            var configuration = AgentConfiguration()
            do {
                try configuration.take(environment: [key.variable: "https://me:hunter2@host,://me:hunter2@host"])
                #expect(!configuration.effective.contains { $0.value.contains("hunter2") }, "\(key.name)")
            } catch {
                #expect(!"\(error)".contains("hunter2"), "\(error)")
            }
        }
    }
}
