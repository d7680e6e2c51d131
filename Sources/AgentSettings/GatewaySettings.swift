// SPDX-License-Identifier: GPL-3.0-or-later

/// The values of a gateway's keys. A `ConfigurationKey` of a module names them by an extension of `AgentConfiguration`:
///
///     extension AgentConfiguration {
///         var example: ExampleSettings { get { self[ExampleSettings.self] } set { self[ExampleSettings.self] = newValue } }
///     }
package protocol GatewaySettings: Equatable, Sendable {
    /// The defaults.
    init()
}

/// The settings of each gateway, by their type; what was never set has its defaults.
struct AllGatewaySettings: Equatable, Sendable {
    private var values: [ObjectIdentifier: any GatewaySettings] = [:]

    subscript<Settings: GatewaySettings>(_ type: Settings.Type) -> Settings {
        get { values[ObjectIdentifier(type)] as? Settings ?? Settings() }
        set { values[ObjectIdentifier(type)] = newValue }
    }

    static func == (left: Self, right: Self) -> Bool {
        func isSame<Settings: GatewaySettings>(_ settings: Settings) -> Bool {
            left[Settings.self] == right[Settings.self]
        }
        return (Array(left.values.values) + right.values.values).allSatisfy { isSame($0) }
    }
}

extension AgentConfiguration {
    package subscript<Settings: GatewaySettings>(_ type: Settings.Type) -> Settings {
        get { gateways[type] }
        set { gateways[type] = newValue }
    }
}
