// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Agent
@testable import AgentSettings

/// An option of today's supervisor: what a provider may have written, and what the agent makes of it.
struct SupervisorOption: Sendable, CustomTestStringConvertible {
    var name: String
    var variable: String
    var text: String
    /// The key that shows it, when it is not `name`.
    var key: String
    /// nil: the option is gone.
    var shown: String?

    init(_ name: String, _ variable: String, _ text: String, _ shown: String?, key: String? = nil) {
        self.name = name
        self.variable = variable
        self.text = text
        self.key = key ?? name
        self.shown = shown
    }

    var testDescription: String { "\(name)=\(text)" }

    static let all: [SupervisorOption] = [
        SupervisorOption("benchmark.disable", "BENCHMARK_DISABLE", "1", "true"),
        SupervisorOption("benchmark.hpl.image", "BENCHMARK_HPL_IMAGE", "r.example#a/b:1", "r.example#a/b:1"),
        SupervisorOption("benchmark.hpl.single-node", "BENCHMARK_HPL_SINGLE_NODE", "true", "true"),
        SupervisorOption("benchmark.hpl.block-size", "BENCHMARK_HPL_BLOCK_SIZE", "256", "256"),
        SupervisorOption("benchmark.hpl.memory-percent", "BENCHMARK_HPL_MEMORY_PERCENT", "0.85", "0.85"),
        SupervisorOption("benchmark.include-unresponsive", "BENCHMARK_UNRESPONSIVE", "t", "true"),
        SupervisorOption("benchmark.ior.image", "BENCHMARK_IOR_IMAGE", "r.example#ior:2", "r.example#ior:2"),
        SupervisorOption("benchmark.ior.single-node", "BENCHMARK_IOR_SINGLE_NODE", "T", "true"),
        SupervisorOption("benchmark.osu.image", "BENCHMARK_OSU_IMAGE", "r.example#osu:3", "r.example#osu:3"),
        SupervisorOption("benchmark.run-as", "BENCHMARK_RUN_AS", "bench", "bench"),
        SupervisorOption("benchmark.speedtest.image", "BENCHMARK_SPEEDTEST_IMAGE", "s:1.2", "s:1.2"),
        SupervisorOption("benchmark.time-limit", "BENCHMARK_TIME_LIMIT", "12h30m0s", "12h30m"),
        SupervisorOption("benchmark.trace", "BENCHMARK_TRACE", "TRUE", "true"),
        SupervisorOption("benchmark.env", "BENCHMARK_ENV", "A=b=c,D=", "A, D"),
        SupervisorOption("benchmark.ucx", "BENCHMARK_UCX", "true", "true"),
        SupervisorOption("benchmark.ucx.affinity", "BENCHMARK_UCX_AFFINITY", "mlx5_0:1|mlx5_1:1", "mlx5_0:1|mlx5_1:1"),
        SupervisorOption("benchmark.ucx.transport", "BENCHMARK_UCX_TRANSPORT", "sm,self,rc", "sm,self,rc"),
        SupervisorOption(
            "metascheduler.cpu-price-per-min", "METASCHEDULER_CPU_PRICE_PER_MIN", "950000000000000001",
            "950000000000000001"),
        SupervisorOption(
            "metascheduler.gpu-price-per-min", "METASCHEDULER_GPU_PRICE_PER_MIN", "99999999999999999999999",
            "99999999999999999999999"),
        SupervisorOption("metascheduler.mem-price-per-min", "METASCHEDULER_MEM_PRICE_PER_MIN", "0", "0"),
        SupervisorOption(
            "metascheduler.endpoint.rpc", "METASCHEDULER_ENDPOINT_RPC", "https://a.example/rpc, http://b:8545",
            "https://a.example:443/…, http://b:8545"),
        SupervisorOption(
            "metascheduler.endpoint.ws", "METASCHEDULER_ENDPOINT_WS", "wss://a.example/ws", "wss://a.example:443/…"),
        SupervisorOption("metascheduler.label", "METASCHEDULER_LABELS", "os=linux, arch=amd64", "os=linux, arch=amd64"),
        SupervisorOption(
            "label", "SLURM_GRID_AGENT_METASCHEDULER_LABEL", "zone=ch=1", "zone=ch=1", key: "metascheduler.label"),
        SupervisorOption(
            "l", "SLURM_GRID_AGENT_METASCHEDULER_LABEL", "cpu=", "cpu=", key: "metascheduler.label"),
        SupervisorOption(
            "metascheduler.smart-contract", "METASCHEDULER_SMART_CONTRACT",
            "0x3707aB457CF457275b7ec32e203c54df80C299d5", "0x3707aB457CF457275b7ec32e203c54df80C299d5"),
        SupervisorOption(
            "metascheduler.smart-contract", "METASCHEDULER_SMART_CONTRACT",
            "3707ab457cf457275b7ec32e203c54df80c299d5", "0x3707aB457CF457275b7ec32e203c54df80C299d5"),
        SupervisorOption("nvidia-smi", "NVIDIA_SMI_PATH", "nvidia-smi", nil),
        SupervisorOption("trace", "TRACE", "true", "trace", key: "log-level"),
        SupervisorOption("trace", "TRACE", "false", "info", key: "log-level"),
        SupervisorOption("grpc.listen-address", "LISTEN_ADDRESS", ":3000", "[::]:3000"),
        SupervisorOption("grpc.listen-address", "LISTEN_ADDRESS", "10.0.0.1:3001", "10.0.0.1:3001"),
        SupervisorOption(
            "public-address", "PUBLIC_ADDRESS", "supervisor.example.com:3000", "supervisor.example.com:3000"),
        SupervisorOption("sbatch.endpoint", "SBATCH_ENDPOINT", "sbatch.example.com:443", "sbatch.example.com:443"),
        SupervisorOption("sbatch.tls", "SBATCH_TLS_ENABLE", "false", "false"),
        SupervisorOption("sbatch.tls.ca", "SBATCH_CA", "/etc/ca.pem", "/etc/ca.pem"),
        SupervisorOption("sbatch.tls.insecure", "SBATCH_TLS_INSECURE", "true", "true"),
        SupervisorOption("tls", "TLS_ENABLE", "true", "true"),
        SupervisorOption("tls.cert-file", "TLS_CERT", "/c.pem", "/c.pem"),
        SupervisorOption("tls.key-file", "TLS_KEY", "/k.pem", "/k.pem"),
        SupervisorOption("slurm.batch", "SLURM_SBATCH_PATH", "/usr/bin/sbatch", nil),
        SupervisorOption("slurm.cancel", "SLURM_SCANCEL_PATH", "/usr/bin/scancel", nil),
        SupervisorOption("slurm.control", "SLURM_SCONTROL_PATH", "/usr/bin/scontrol", nil),
        SupervisorOption("slurm.info", "SLURM_SINFO_PATH", "/usr/bin/sinfo", nil),
        SupervisorOption("slurm.squeue", "SLURM_SQUEUE_PATH", "/usr/bin/squeue", nil),
        SupervisorOption("slurm.partition", "SLURM_PARTITION", "gpu", "gpu"),
        SupervisorOption("slurm.ssh.address", "SLURM_SSH_ADDRESS", "head:22", nil),
        SupervisorOption("slurm.ssh.admin-user", "SLURM_SSH_ADMIN_USER", "gridadmin", nil),
        SupervisorOption("slurm.ssh.private-key", "SLURM_SSH_PRIVATE_KEY", "c2VjcmV0", nil),
    ]
}

@Suite("Options of today's supervisor")
struct SupervisorOptionTests {
    private func check(_ configuration: AgentConfiguration, _ option: SupervisorOption) {
        if let shown = option.shown {
            #expect(configuration.effective.first { $0.key == option.key }?.value == shown)
            #expect(configuration.notices.isEmpty)
        } else {
            #expect(configuration.notices.count == 1)
            #expect(configuration.notices.first?.hasPrefix("\(option.name) has no meaning any more: ") == true)
            #expect(configuration.notices.first?.contains(option.text) != true || option.text == option.name)
        }
    }

    @Test("in the environment", arguments: SupervisorOption.all)
    func environment(_ option: SupervisorOption) throws {
        var configuration = AgentConfiguration()
        try configuration.take(environment: [option.variable: option.text])
        check(configuration, option)
    }

    @Test("on the command line, in each form", arguments: SupervisorOption.all)
    func flag(_ option: SupervisorOption) throws {
        var forms = [["--\(option.name)=\(option.text)"], ["-\(option.name)=\(option.text)"]]
        if Gateways.schema.named(option.name)?.form != .boolean {
            forms += [["--\(option.name)", option.text], ["-\(option.name)", option.text]]
        }
        for words in forms {
            var configuration = AgentConfiguration()
            try configuration.take(flags: try FlagParser(words, Gateways.schema).flags)
            check(configuration, option)
        }
    }

    @Test("in the file", arguments: SupervisorOption.all)
    func file(_ option: SupervisorOption) throws {
        var configuration = AgentConfiguration()
        try configuration.take(yaml: "\(option.name): \"\(option.text)\"", file: "f.yaml")
        check(configuration, option)
    }

    @Test("the key: from the environment, with and without 0x; from nowhere else, and it is not repeated")
    func privateKey() throws {
        let node = ["METASCHEDULER_ENDPOINT_RPC": "http://127.0.0.1:1"]
        for key in [String(repeating: "ab", count: 32), "0x" + String(repeating: "ab", count: 32)] {
            let taken = try AgentConfiguration.load(
                file: nil, environment: node.merging(["ETH_PRIVATE_KEY": key]) { $1 })
            #expect(taken.chain.keyInEnvironment == "ETH_PRIVATE_KEY")
            #expect(!taken.effective.contains { $0.value.contains("abab") })
            var configuration = AgentConfiguration()
            let refusals: [AgentConfiguration.Problem?] = [
                #expect(throws: AgentConfiguration.Problem.self) {
                    try configuration.take(yaml: "metascheduler.private-key: \"\(key)\"", file: "f.yaml")
                },
                #expect(throws: AgentConfiguration.Problem.self) {
                    try configuration.take(environment: ["SLURM_GRID_AGENT_METASCHEDULER_PRIVATE_KEY": key])
                },
                #expect(throws: AgentConfiguration.Problem.self) {
                    try FlagParser(["--metascheduler.private-key", key], Gateways.schema)
                },
                #expect(throws: AgentConfiguration.Problem.self) {
                    try FlagParser(["-metascheduler.private-key=\(key)"], Gateways.schema)
                },
            ]
            for refusal in refusals {
                #expect(refusal?.description.contains("chain.key-file") == true)
                #expect(refusal?.description.contains("abab") == false)
            }
        }
    }

    @Test("nothing of the supervisor is forgotten")
    func complete() {
        let tested = Set(SupervisorOption.all.map(\.variable))
        #expect(Set(Gateways.schema.keys.compactMap(\.supervisorVariable)).isSubset(of: tested))
    }
}
