// SPDX-License-Identifier: GPL-3.0-or-later

/// The lines `KEY=VALUE` of an application script: the text before the first `=` is exactly the key, and the first such line
/// counts. They are read before anything is replaced, so that doubled braces are still doubled.
struct ScriptKeys: Sendable {
    private let values: [String: String]

    init(_ script: String) {
        var values: [String: String] = [:]
        for line in script.utf8.split(separator: 0x0a) {
            guard let equals = line.firstIndex(of: UInt8(ascii: "=")) else { continue }
            let key = String(decoding: line[..<equals], as: UTF8.self)
            guard key.hasPrefix("J"), values[key] == nil else { continue }
            values[key] = String(decoding: line[equals...].dropFirst(), as: UTF8.self)
        }
        self.values = values
    }

    /// Verbatim, quotes and all; nil where it is empty or begins with another `=`.
    subscript(key: String) -> String? {
        values[key].flatMap { $0.isEmpty || $0.hasPrefix("=") ? nil : $0 }
    }

    func required(_ key: String) throws(JarviceError) -> String {
        guard let value = self[key] else { throw JarviceError(.refused, "the application script has no \(key)") }
        return value
    }

    func requiredInteger(_ key: String) throws(JarviceError) -> Int {
        try Self.integer(key, try required(key))
    }

    /// Absent, 0 or negative is none.
    func positive(_ key: String) throws(JarviceError) -> Int? {
        guard let text = self[key] else { return nil }
        let number = try Self.integer(key, text)
        return number > 0 ? number : nil
    }

    private static func integer(_ key: String, _ text: String) throws(JarviceError) -> Int {
        guard let number = PythonText.integer(text) else {
            throw JarviceError(.refused, "\(key) is \"\(text.prefix(64))\", which is not an integer")
        }
        return number
    }
}
