// SPDX-License-Identifier: GPL-3.0-or-later

@testable import AgentSettings

/// A gateway that has something of everything in the configuration.
struct SampleGateway: ConfigurableGateway {
    static let schema = ConfigurationSchema([SampleGateway()])

    let configuration = [
        ConfigurationSection(
            title: "The sample", introduction: "It is made up.",
            keys: [
                ConfigurationKey("sample", \.sample.isOn, .boolean, "Whether there is one."),
                ConfigurationKey(
                    "sample.ports", \.sample.ports, .list(.number(1...10)), "Some.", aliases: ["ports"], example: "1",
                    isReloadable: true),
                ConfigurationKey("sample.socket", \.sample.socket, .optional(.socket), "Its own.", example: "/s"),
                ConfigurationKey(
                    "sample.listen", \.sample.listen, .optional(.listenAddress), "Too.", example: "1.2.3.4:5"),
                ConfigurationKey("sample.variables", \.sample.variables, .variables, "Secrets.", example: "A=b"),
                ConfigurationKey(secret: "sample.key", instead: "no key here", advice: "put it into a file"),
            ])
    ]

    func variables(of key: String) -> [String] { key == "sample.ports" ? ["OLD_PORTS"] : [] }

    func take(
        environment: [String: String], _ configuration: inout AgentConfiguration
    ) throws(AgentConfiguration.Problem) {
        if let word = environment["OLD_WORD"] {
            guard word == "good" else { throw .init(description: "OLD_WORD is \(word)") }
            configuration.notify("OLD_WORD was taken")
        }
    }

    func settle(_ configuration: inout AgentConfiguration) -> AgentConfiguration.Problem {
        guard configuration.sample.isOn, configuration.sample.ports.isEmpty else { return .init([]) }
        return configuration.problem(.init(keys: ["sample", "sample.ports"], text: "a sample needs ports"))
    }

    func secretKeys(in configuration: AgentConfiguration) -> [String] { ["sample.variables"] }

    func listeners(in configuration: AgentConfiguration) -> [(key: String, address: ListenAddress)] {
        configuration.sample.listen.map { [("sample.listen", $0)] } ?? []
    }

    func sockets(in configuration: AgentConfiguration) -> [(key: String, path: String)] {
        configuration.sample.socket.map { [("sample.socket", $0)] } ?? []
    }
}

struct SampleSettings: GatewaySettings {
    var isOn = false
    var ports: [Int] = []
    var socket: String?
    var listen: ListenAddress?
    var variables: [Pair] = []
}

extension AgentConfiguration {
    var sample: SampleSettings {
        get { self[SampleSettings.self] }
        set { self[SampleSettings.self] = newValue }
    }
}
