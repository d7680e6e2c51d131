// SPDX-License-Identifier: GPL-3.0-or-later

/// What upstream sends with `/submit`.
public struct SubmitArguments: Sendable {
    public var name: String
    /// As Python prints it.
    public var number: String
    public var nodes: Int
    public var isHeld: Bool
    /// Of the executor; base64.
    public var script: String
    public var bearer: String

    public init(_ json: JSONValue, executor: ExecutorSettings.Executor) throws(JarviceError) {
        func member(_ key: String) throws(JarviceError) -> JSONValue {
            guard let value = json[key] else { throw JarviceError(.refused, "args has no \(key)") }
            return value
        }
        guard let name = try member("name").string else { throw JarviceError(.refused, "name is not a text") }
        self.name = try Self.checked(name)
        number = try member("number").pythonText
        guard number.utf8.count <= 256 else { throw JarviceError(.refused, "number has more than 256 bytes") }
        guard let nodes = try member("nodes").integer else { throw JarviceError(.refused, "nodes is not an integer") }
        guard (1...65_535).contains(nodes) else { throw JarviceError(.refused, "nodes is \(nodes)") }
        self.nodes = nodes
        isHeld = json["held"] == .bool(true)
        let scripts = try member("hpc_script")
        // Upstream knows the one name only.
        guard let script = (scripts[executor.rawValue] ?? scripts["singularity"])?.string else {
            throw JarviceError(.refused, "hpc_script has no \(executor.rawValue)")
        }
        self.script = script
        guard let bearer = try member("bearer").string else { throw JarviceError(.refused, "bearer is not a text") }
        self.bearer = bearer
    }

    /// A name is a job's name with a prefix, and the name of its output file.
    static func checked(_ name: String) throws(JarviceError) -> String {
        guard !name.isEmpty, name.utf8.count <= 240 else {
            throw JarviceError(.refused, "name is empty or has more than 240 bytes")
        }
        guard name.unicodeScalars.allSatisfy({ $0.value >= 32 && $0 != "\u{7f}" && $0 != "/" }) else {
            throw JarviceError(.refused, "name has a control character, a line break or a /")
        }
        return name
    }
}
