// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
internal import Logging
internal import NIOConcurrencyHelpers

/// One line a fact, to standard error: `notice: slurmctld answers again key=value`. The level can change while the
/// daemon runs.
struct AgentLogHandler: LogHandler {
    private static let threshold = NIOLockedValueBox(Logger.Level.info)

    var metadata: Logger.Metadata = [:]
    let label: String

    static func bootstrap() {
        LoggingSystem.bootstrap { AgentLogHandler(label: $0) }
    }

    static func setLevel(_ name: String) {
        if let level = Logger.Level(rawValue: name) { threshold.withLockedValue { $0 = level } }
    }

    var logLevel: Logger.Level {
        get { Self.threshold.withLockedValue { $0 } }
        set { Self.threshold.withLockedValue { $0 = newValue } }
    }

    init(label: String) {
        self.label = label
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { _, new in new }
        var line = "\(event.level): \(event.message)"
        for (key, value) in all.sorted(by: { $0.key < $1.key }) { line += " \(key)=\(Self.quoted("\(value)"))" }
        complain(line)
    }

    /// What comes from outside stays on its line.
    static func quoted(_ text: String) -> String {
        let plain = text.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value != 0x7f && $0 != "\"" && $0 != "=" }
        if plain, !text.isEmpty { return text }
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f:
                quoted += "\\u{\(String(scalar.value, radix: 16))}"
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
