// SPDX-License-Identifier: GPL-3.0-or-later

/// What a gateway brings to the configuration. All of it but the keys has a default: that there is none of it.
package protocol ConfigurableGateway: Sendable {
    /// Its keys: `name.…`. Their values lie in a `GatewaySettings` of its own.
    var configuration: [ConfigurationSection] { get }
    /// Environment variables that set one of its keys, beside the key's own: those of what it takes the place of.
    func variables(of key: String) -> [String]
    /// What such an environment says beyond single keys. Asked once the keys have been taken from it.
    func take(
        environment: [String: String], _ configuration: inout AgentConfiguration
    ) throws(AgentConfiguration.Problem)
    /// What must fit together, and what has to be read beside; notices by `AgentConfiguration.notify`.
    func settle(_ configuration: inout AgentConfiguration) -> AgentConfiguration.Problem
    /// Of its keys those whose values hold a key or a password.
    func secretKeys(in configuration: AgentConfiguration) -> [String]
    /// Where it listens, by key: no two listen at one place.
    func listeners(in configuration: AgentConfiguration) -> [(key: String, address: ListenAddress)]
    /// Its Unix sockets, by key: no two have one path.
    func sockets(in configuration: AgentConfiguration) -> [(key: String, path: String)]
}

extension ConfigurableGateway {
    package var configuration: [ConfigurationSection] { [] }
    package func variables(of key: String) -> [String] { [] }
    package func take(
        environment: [String: String], _ configuration: inout AgentConfiguration
    ) throws(AgentConfiguration.Problem) {}
    package func settle(_ configuration: inout AgentConfiguration) -> AgentConfiguration.Problem { .init([]) }
    package func secretKeys(in configuration: AgentConfiguration) -> [String] { [] }
    package func listeners(in configuration: AgentConfiguration) -> [(key: String, address: ListenAddress)] { [] }
    package func sockets(in configuration: AgentConfiguration) -> [(key: String, path: String)] { [] }
}

/// Which keys there are: the agent's own, and those of the gateways that it is made of. Made once; values that were read by two
/// schemas are never the same.
package final class ConfigurationSchema: Sendable {
    package let gateways: [any ConfigurableGateway]
    /// In the order of the documentation and of the report at start.
    package let sections: [ConfigurationSection]
    /// Every key, in that order; those that are gone last.
    package let keys: [ConfigurationKey]
    private let byName: [String: ConfigurationKey]

    /// - Parameter gateways: no two have a key in common, nor one that is the agent's own; of two the first one counts.
    package init(_ gateways: [any ConfigurableGateway]) {
        self.gateways = gateways
        sections = ConfigurationSection.own + gateways.flatMap(\.configuration)
        keys = sections.flatMap(\.keys) + ConfigurationKey.gone
        byName = Dictionary(
            keys.flatMap { key in ([key.name] + key.aliases).map { ($0, key) } },
            uniquingKeysWith: { first, _ in first })
    }

    /// By its name or an alias.
    package func named(_ name: String) -> ConfigurationKey? { byName[name] }

    /// The longer keys that begin with this one.
    func below(_ name: String) -> [String] {
        keys.filter(\.isSettable).map(\.name).filter { $0.hasPrefix(name + ".") }
    }

    /// Whether longer keys begin with this one.
    func isPrefix(_ name: String) -> Bool { byName.keys.contains { $0.hasPrefix(name + ".") } }

    /// What SIGHUP takes over; the rest needs a restart.
    package var reloadable: Set<String> { Set(keys.filter(\.isReloadable).map(\.name)) }

    /// The key's default as text; nil where there is no value.
    package func defaultText(of key: ConfigurationKey) -> String? {
        key.show?(AgentConfiguration(self)) ?? (key.form == .boolean ? "false" : nil)
    }
}

extension ConfigurationSchema: Equatable {
    package static func == (left: ConfigurationSchema, right: ConfigurationSchema) -> Bool { left === right }
}
