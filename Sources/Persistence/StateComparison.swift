// SPDX-License-Identifier: GPL-3.0-or-later

/// Whether the state's files belong together: the table in docs/state.md. No I/O.
public struct StateComparison: Sendable, Hashable {
    public struct File: Sendable, Hashable {
        public var name: String
        public var identity: StateIdentity?
        public var hadContent: Bool

        public init(_ name: String, _ identity: StateIdentity?, hadContent: Bool) {
            self.name = name
            self.identity = identity
            self.hadContent = hadContent
        }
    }

    public enum Condition: String, Sendable, Hashable {
        case same
        /// It was not there, or empty, or was set aside.
        case new
        /// An old copy.
        case older
        /// It belongs to another state.
        case other
    }

    public var conditions: [String: Condition] = [:]
    /// What all files are to have; without `next`.
    public var identity: StateIdentity

    /// - Parameter files: all of them.
    public init(_ files: [File]) {
        let known = files.compactMap(\.identity)
        guard let family = Self.family(known) else {
            // Of an earlier release, which gave none; or the very first start.
            // An agent without a grid has the ledger alone, and joins one now.
            let isFirst = files.count { $0.hadContent } < 2
            for file in files { conditions[file.name] = file.hadContent || isFirst ? .same : .new }
            identity = .fresh()
            return
        }
        let newest = known.filter { $0.family == family }.map(\.generation).max() ?? 0
        // The agent died while it gave the first name: generation 0 is in no file that was named whole.
        let isBeingNamed = newest == 0
        for file in files {
            guard let own = file.identity else {
                conditions[file.name] = !file.hadContent ? .new : isBeingNamed ? .same : .older
                continue
            }
            if own.family != family {
                conditions[file.name] = .other
            } else {
                // The agent died between the files.
                let isNewest = own.generation == newest || own.next == newest
                conditions[file.name] = isNewest ? .same : .older
            }
        }
        identity = StateIdentity(family: family, generation: newest)
    }

    /// That most files have; of two with one file each the one that was used last is not known.
    private static func family(_ known: [StateIdentity]) -> String? {
        let counts = Dictionary(grouping: known, by: \.family).mapValues {
            ($0.count, $0.map(\.generation).max() ?? 0)
        }
        return counts.max { ($0.value.0, $0.value.1, $0.key) < ($1.value.0, $1.value.1, $1.key) }?.key
    }

    public func names(_ condition: Condition) -> [String] {
        conditions.filter { $0.value == condition }.keys.sorted()
    }

    /// What is in a file shows that it is older than the others.
    public mutating func lower(_ name: String) {
        if conditions[name] == .same { conditions[name] = .older }
    }

    /// Within a generation an old copy of `name` is known only by what `witness` says of it.
    public func isProven(_ name: String, by witness: String) -> Bool {
        conditions[name] == .same && conditions[witness] == .same
    }

    public var isSame: Bool { conditions.values.allSatisfy { $0 == .same } }

    /// Why the agent does not act: what a file of another state says is about other jobs.
    public var refusal: String? {
        let others = names(.other)
        guard !others.isEmpty else { return nil }
        let rest = conditions.keys.filter { !others.contains($0) }.sorted()
        return
            "\(others.joined(separator: " and ")) is of another state than \(rest.joined(separator: " and ")): put back the "
            + "one that belongs there, or move \(others.joined(separator: " and ")) away; what is missing is then read again "
            + "from the chain and Slurm"
    }
}

extension StateComparison {
    /// Asks all files.
    public static func of(_ files: [any StateFile]) async throws -> StateComparison {
        var found: [File] = []
        for file in files {
            found.append(File(file.fileName, try await file.identity(), hadContent: try await file.hadContent()))
        }
        return StateComparison(found)
    }

    /// Gives all files the next generation. Interrupted anywhere they still belong together.
    public static func advance(_ files: [any StateFile], from identity: StateIdentity) async throws -> StateIdentity {
        let next = identity.generation + 1
        for file in files {
            try await file.setIdentity(
                StateIdentity(family: identity.family, generation: identity.generation, next: next))
        }
        let reached = StateIdentity(family: identity.family, generation: next)
        for file in files { try await file.setIdentity(reached) }
        return reached
    }
}
