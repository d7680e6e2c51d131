// SPDX-License-Identifier: GPL-3.0-or-later

/// What becomes of a configuration that was read again while the agent runs.
struct Reload: Equatable, Sendable {
    struct Change: Equatable, Sendable, CustomStringConvertible {
        var key: String
        /// As they are shown: of a list of variables the names only, so that both may be the same.
        var old: String
        var new: String

        var description: String { old == new ? "\(key) (changed)" : "\(key): \(old) -> \(new)" }
    }

    /// In force from now on.
    private(set) var taken: [Change] = []
    /// Waits for a restart.
    private(set) var waiting: [Change] = []
    /// What is in force: the running configuration with what was taken.
    private(set) var configuration: AgentConfiguration

    /// - Parameters:
    ///   - running: what is in force, not what was read last: so a key that went back to what it was waits no longer.
    ///   - fresh: what was read now. A key that is missing there has its default.
    init(running: AgentConfiguration, fresh: AgentConfiguration) {
        configuration = running
        for key in ConfigurationKey.all {
            guard let show = key.show, !key.isSame(running, fresh) else { continue }
            let change = Change(key: key.name, old: show(running), new: show(fresh))
            if key.isReloadable {
                key.copy(&configuration, fresh)
                configuration.places[key.name] = fresh.places[key.name]
                taken.append(change)
            } else {
                waiting.append(change)
            }
        }
    }
}

extension AgentConfiguration {
    /// What SIGHUP takes over; the rest needs a restart.
    static let reloadable = Set(ConfigurationKey.all.filter(\.isReloadable).map(\.name))

    /// The keys in which the two differ.
    func differences(from other: AgentConfiguration) -> [String] {
        ConfigurationKey.all.filter { !$0.isSame(self, other) }.map(\.name)
    }
}
