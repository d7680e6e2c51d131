// SPDX-License-Identifier: GPL-3.0-or-later

/// One key of the configuration. File, environment and command line all set it through this, and its documentation is made
/// of it.
package struct ConfigurationKey: Sendable {
    package typealias Path<Value> = any WritableKeyPath<AgentConfiguration, Value> & Sendable
    package typealias Problem = AgentConfiguration.Problem

    /// How many values a key takes, and how they are written.
    package enum Form: Sendable {
        case single
        /// On the command line the bare name is true; the next word is never its value.
        case boolean
        /// Several: with commas, as a YAML list, or by naming the key again on the command line.
        case list
        /// A list of NAME=VALUE; also a YAML mapping.
        case pairs
        /// Had a meaning for today's supervisor only: taken, said, without effect.
        case gone
        /// A secret: refused everywhere, with what to do.
        case secret
    }

    /// As in the file and on the command line.
    package let name: String
    /// Other names, there too.
    package let aliases: [String]
    /// Today's supervisor's environment variable.
    package let supervisorVariable: String?
    package let form: Form
    /// What stands for the value in help.
    package let placeholder: String
    /// What is allowed, with the unit.
    package let allowed: String
    /// A sentence or two; for a key that is gone the reason. Backquotes mark what is typed.
    package let summary: String
    /// A value for the example configuration where the default cannot be written down.
    package let example: String?
    /// Whether SIGHUP takes it over.
    package let isReloadable: Bool
    /// Of a secret: what to do with one.
    package let advice: String
    /// Of a secret: how it is taken all the same.
    package let secret: SecretVariable?
    /// Sets it; returns the key whose value that is, or nil when it has no effect.
    package let set: @Sendable (inout AgentConfiguration, [String]) throws(Problem) -> String?
    /// The effective value, without secrets; nil when there is nothing to show.
    package let show: (@Sendable (AgentConfiguration) -> String)?
    /// Whether both have the same value, secrets and all.
    package let isSame: @Sendable (AgentConfiguration, AgentConfiguration) -> Bool
    /// Copies the value of the second to the first.
    package let copy: @Sendable (inout AgentConfiguration, AgentConfiguration) -> Void

    /// The one variable that a secret is taken from, under whatever name it has. What is in it is not read here.
    package struct SecretVariable: Sendable {
        package let variable: String
        /// Notes that it is there.
        package let note: @Sendable (inout AgentConfiguration) -> Void
        package let isTaken: @Sendable (AgentConfiguration) -> Bool

        package init(
            variable: String, note: @escaping @Sendable (inout AgentConfiguration) -> Void,
            isTaken: @escaping @Sendable (AgentConfiguration) -> Bool
        ) {
            (self.variable, self.note, self.isTaken) = (variable, note, isTaken)
        }
    }

    package init<Value: Equatable>(
        _ name: String, _ path: Path<Value>, _ kind: ValueKind<Value>, _ summary: String,
        supervisor variable: String? = nil, aliases: [String] = [], example: String? = nil, isReloadable: Bool = false
    ) {
        self.name = name
        self.aliases = aliases
        supervisorVariable = variable
        form = kind.form
        placeholder = kind.placeholder
        allowed = kind.allowed
        self.summary = summary
        self.example = example
        self.isReloadable = isReloadable
        advice = ""
        secret = nil
        set = { (configuration, values) throws(Problem) in
            configuration[keyPath: path] = try kind.read(values)
            return name
        }
        show = { redacted(kind.show($0[keyPath: path])) }
        isSame = { $0[keyPath: path] == $1[keyPath: path] }
        copy = { $0[keyPath: path] = $1[keyPath: path] }
    }

    /// A key without a value of its own.
    private init(
        _ name: String, _ form: Form, supervisor variable: String?, placeholder: String = "…", allowed: String = "",
        _ summary: String, isReloadable: Bool = false, advice: String = "", secret: SecretVariable? = nil,
        set: @escaping @Sendable (inout AgentConfiguration, [String]) throws(Problem) -> String?
    ) {
        self.name = name
        aliases = []
        supervisorVariable = variable
        self.form = form
        self.placeholder = placeholder
        self.allowed = allowed
        self.summary = summary
        example = nil
        self.isReloadable = isReloadable
        self.advice = advice
        self.secret = secret
        self.set = set
        show = nil
        isSame = { _, _ in true }
        copy = { _, _ in }
    }

    /// `trace`: one level under a name of its own.
    package init(trace name: String, supervisor variable: String) {
        let kind = ValueKind<Bool>.boolean
        self.init(
            name, .boolean, supervisor: variable, placeholder: kind.placeholder, allowed: kind.allowed,
            "The same as `log-level: trace`.", isReloadable: true
        ) { (configuration, values) throws(Problem) in
            guard try kind.read(values) else { return nil }
            configuration.logLevel = "trace"
            return "log-level"
        }
    }

    /// - Parameter reason: completes "NAME has no meaning any more: …".
    package init(gone name: String, supervisor variable: String, because reason: String) {
        self.init(name, .gone, supervisor: variable, reason) { (configuration, _) throws(Problem) in
            configuration.notify("\(name) has no meaning any more: \(reason)")
            return nil
        }
    }

    /// - Parameters:
    ///   - words: why it is refused.
    ///   - advice: what to do with it.
    ///   - summary: for the documentation; without one it is left out there.
    package init(
        secret name: String, instead words: String, advice: String, _ summary: String = "",
        from variable: SecretVariable? = nil
    ) {
        self.init(name, .secret, supervisor: nil, summary, advice: advice, secret: variable) { (_, _) throws(Problem) in
            throw Problem(description: words)
        }
    }

    /// `SLURM_GRID_AGENT_BRIDGE_SOCKET` for `bridge.socket`.
    package var variable: String {
        Self.variablePrefix + name.uppercased().map { $0.isLetter || $0.isNumber ? String($0) : "_" }.joined()
    }

    static let variablePrefix = "SLURM_GRID_AGENT_"

    /// Whether it takes a value.
    package var isSettable: Bool { form != .gone && form != .secret }

    /// What a value as text says: its items for a list.
    package func values(_ text: String) -> [String] {
        switch form {
        case .list, .pairs: text.split(separator: ",").map(\.trimmed).filter { !$0.isEmpty }
        case .single, .boolean, .gone, .secret: [text.trimmed]
        }
    }
}

extension StringProtocol {
    /// Without white space at both ends.
    package var trimmed: String {
        let start = drop(while: \.isWhitespace)
        guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return String(start[...last])
    }
}
