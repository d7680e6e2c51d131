// SPDX-License-Identifier: GPL-3.0-or-later

/// What becomes of a configuration that was read again while the agent runs.
package struct Reload: Equatable, Sendable {
    package struct Change: Equatable, Sendable, CustomStringConvertible {
        package var key: String
        /// As they are shown: of a list of variables the names only, so that both may be the same.
        package var old: String
        package var new: String

        package var description: String { old == new ? "\(key) (changed)" : "\(key): \(old) -> \(new)" }
    }

    /// In force from now on.
    package private(set) var taken: [Change] = []
    /// Waits for a restart.
    package private(set) var waiting: [Change] = []
    /// What is in force: the running configuration with what was taken.
    package private(set) var configuration: AgentConfiguration

    /// - Parameters:
    ///   - running: what is in force, not what was read last: so a key that went back to what it was waits no longer.
    ///   - fresh: what was read now. A key that is missing there has its default.
    package init(running: AgentConfiguration, fresh: AgentConfiguration) {
        configuration = running
        for key in running.schema.keys {
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
    /// The keys in which the two differ.
    package func differences(from other: AgentConfiguration) -> [String] {
        schema.keys.filter { !$0.isSame(self, other) }.map(\.name)
    }
}
