// SPDX-License-Identifier: GPL-3.0-or-later

/// One key of the configuration. File, environment and command line all set it through this.
struct ConfigurationKey: Sendable {
    typealias Path<Value> = any WritableKeyPath<AgentConfiguration, Value> & Sendable
    typealias Problem = AgentConfiguration.Problem

    /// How many values a key takes, and how they are written.
    enum Form: Sendable {
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
    let name: String
    /// Other names, there too.
    let aliases: [String]
    /// Today's supervisor's environment variable.
    let supervisorVariable: String?
    let form: Form
    /// What stands for the value in help.
    let placeholder: String
    let set: @Sendable (inout AgentConfiguration, [String]) throws(Problem) -> Void
    /// The effective value; nil when there is nothing to show.
    let show: (@Sendable (AgentConfiguration) -> String)?

    init<Value>(
        _ name: String, _ path: Path<Value>, _ kind: ValueKind<Value>, supervisor variable: String? = nil,
        aliases: [String] = []
    ) {
        self.name = name
        self.aliases = aliases
        supervisorVariable = variable
        form = kind.form
        placeholder = kind.placeholder
        set = { (configuration, values) throws(Problem) in configuration[keyPath: path] = try kind.read(values) }
        show = { kind.show($0[keyPath: path]) }
    }

    /// `trace`: one level under a name of its own.
    init(trace name: String, supervisor variable: String) {
        self.name = name
        aliases = []
        supervisorVariable = variable
        form = .boolean
        placeholder = ValueKind<Bool>.boolean.placeholder
        set = { (configuration, values) throws(Problem) in
            if try ValueKind<Bool>.boolean.read(values) { configuration.logLevel = "trace" }
        }
        show = nil
    }

    /// - Parameter reason: completes "NAME has no meaning any more: …".
    init(gone name: String, supervisor variable: String, because reason: String) {
        self.name = name
        aliases = []
        supervisorVariable = variable
        form = .gone
        placeholder = "…"
        set = { (configuration, _) throws(Problem) in
            configuration.notify("\(name) has no meaning any more: \(reason)")
        }
        show = nil
    }

    init(secret name: String, instead words: String) {
        self.name = name
        aliases = []
        supervisorVariable = nil
        form = .secret
        placeholder = "…"
        set = { (_, _) throws(Problem) in throw Problem(description: words) }
        show = nil
    }

    /// `SLURM_GRID_AGENT_BRIDGE_SOCKET` for `bridge.socket`.
    var variable: String {
        Self.variablePrefix + name.uppercased().map { $0.isLetter || $0.isNumber ? String($0) : "_" }.joined()
    }

    static let variablePrefix = "SLURM_GRID_AGENT_"

    /// What a value as text says: its items for a list.
    func values(_ text: String) -> [String] {
        switch form {
        case .list, .pairs: text.split(separator: ",").map(\.trimmed).filter { !$0.isEmpty }
        case .single, .boolean, .gone, .secret: [text.trimmed]
        }
    }
}

extension StringProtocol {
    /// Without white space at both ends.
    var trimmed: String {
        let start = drop(while: \.isWhitespace)
        guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return String(start[...last])
    }
}
