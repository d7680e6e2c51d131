// SPDX-License-Identifier: GPL-3.0-or-later

import DeepSquare
import Foundation
import Testing

@testable import Agent
@testable import AgentSettings

/// A configuration of Tests/Configuration/broken/cases.json; `broken.py` beside it gives the same to the program.
struct BrokenConfiguration: Decodable, Sendable, CustomTestStringConvertible {
    var name: String
    /// Its lines.
    var text: [String]
    /// The line to be named.
    var line: Int
    /// What the message must say, and what it must not repeat.
    var words: [String]
    var hides: [String]?
    /// latin-1, utf-16; else UTF-8.
    var encoding: String?

    var testDescription: String { name }

    var bytes: [UInt8] {
        let joined = text.joined(separator: "\n") + "\n"
        return switch encoding {
        case "latin-1": joined.unicodeScalars.map { UInt8($0.value) }
        case "utf-16": [0xff, 0xfe] + joined.utf16.flatMap { [UInt8($0 & 0xff), UInt8($0 >> 8)] }
        default: Array(joined.utf8)
        }
    }

    static let top = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static let all: [BrokenConfiguration] = {
        let url = top.appendingPathComponent("Tests/Configuration/broken/cases.json")
        return (try? JSONDecoder().decode([BrokenConfiguration].self, from: Data(contentsOf: url))) ?? []
    }()
}

@Suite("Broken configurations")
struct BrokenConfigurationTests {
    private func withFile(_ bytes: [UInt8], _ body: (String) throws -> Void) throws {
        let path = NSTemporaryDirectory() + "broken-\(UUID().uuidString).yaml"
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }

    @Test("there are at least sixty, each once")
    func count() {
        #expect(BrokenConfiguration.all.count >= 60)
        #expect(Set(BrokenConfiguration.all.map(\.name)).count == BrokenConfiguration.all.count)
    }

    @Test("each is one clear line with its place", arguments: BrokenConfiguration.all)
    func line(_ broken: BrokenConfiguration) throws {
        try withFile(broken.bytes) { path in
            let problem = #expect(throws: AgentConfiguration.Problem.self) {
                try AgentConfiguration.load(file: path, environment: [:])
            }
            let lines = problem?.lines ?? []
            #expect(lines.count == 1, "\(lines)")
            let line = lines.first ?? ""
            #expect(line.hasPrefix("\(path):\(broken.line): "), "\(line)")
            for words in broken.words { #expect(line.contains(words), "\(line)") }
            for words in broken.hides ?? [] { #expect(!line.contains(words), "\(line)") }
            #expect(!line.contains("\n") && !line.contains("Yams") && !line.contains("Swift"), "\(line)")
        }
    }

    @Test("the largest file is read, a larger one is not")
    func size() throws {
        let line = Array("# 3456789012345\n".utf8)
        let largest = Array(repeatElement(line, count: ConfigurationFile.limit / line.count).joined())
        try withFile(largest) { path in
            let read = try AgentConfiguration.load(file: path, environment: [:])
            #expect(read.places.isEmpty)
        }
        try withFile(largest + [0x23]) { path in
            #expect(
                throws: AgentConfiguration.Problem(
                    description: "\(path): is larger than 1 MiB: that is no configuration of the agent")
            ) {
                try AgentConfiguration.load(file: path, environment: [:])
            }
        }
    }

    @Test(
        "what is only a part of a value is no anchor, alias or tag",
        arguments: [
            ("slurm.partition: a*b", "a*b"), ("slurm.partition: a&b!c", "a&b!c"), ("slurm.partition: \"*a\"", "*a"),
            ("slurm.partition: '&a'", "&a"), ("slurm.partition: main # *not &this !one", "main"),
            ("slurm.partition: |-\n  *a", "*a"),
        ])
    func noReferences(_ yaml: String, _ value: String) throws {
        var configuration = AgentConfiguration()
        try configuration.take(yaml: yaml, file: "f.yaml")
        #expect(configuration.grid.partition == value)
    }

    @Test(
        "other ways to write the same file",
        arguments: [
            "\u{feff}log-level: debug\n", "log-level: debug\r\npoll-interval: 5s\r\n", "---\nlog-level: debug\n...\n",
            "%YAML 1.1\n---\nlog-level: debug\n", "{log-level: debug}", "\"log-level\": 'debug'",
            "? log-level\n: debug",
        ])
    func forms(_ yaml: String) throws {
        var configuration = AgentConfiguration()
        try configuration.take(yaml: yaml, file: "f.yaml")
        #expect(configuration.logLevel == "debug")
    }
}
