// SPDX-License-Identifier: GPL-3.0-or-later

import DeepSquare
import Ethereum
import Foundation
import Glibc
import Logging
import NIOConcurrencyHelpers
import Testing

@testable import Agent
@testable import AgentSettings

@Suite("Reading the configuration again")
struct ReloadTests {
    private func configuration(_ yaml: String) throws -> AgentConfiguration {
        var configuration = AgentConfiguration()
        try configuration.take(yaml: yaml, file: "f.yaml")
        return configuration
    }

    @Test(
        "what is taken, and what waits",
        arguments: [
            ("", "", [], []), ("log-level: info", "# the same", [], []),
            ("", "log-level: debug", ["log-level: info -> debug"], []),
            ("log-level: debug", "", ["log-level: debug -> info"], []),
            ("trace: true", "", ["log-level: trace -> info"], []),
            ("", "{retention: 2d, log-format: json}", ["retention: 30d -> 2d", "log-format: text -> json"], []),
            ("poll-interval: 1s", "", [], ["poll-interval: 1s -> 5s"]),
            (
                "", "{log-level: debug, slurm.partition: gpu}", ["log-level: info -> debug"],
                ["slurm.partition: main -> gpu"]
            ),
            ("benchmark.env: A=b", "benchmark.env: A=c", [], ["benchmark.env (changed)"]),
            (
                "metascheduler.endpoint.rpc: http://h/a", "metascheduler.endpoint.rpc: http://h/b", [],
                ["metascheduler.endpoint.rpc (changed)"]
            ),
            ("sbatch.tls: true", "sbatch.tls: false", [], ["sbatch.tls: true -> false"]),
        ] as [(String, String, [String], [String])])
    func changes(_ old: String, _ new: String, _ taken: [String], _ waiting: [String]) throws {
        let reload = Reload(running: try configuration(old), fresh: try configuration(new))
        #expect(reload.taken.map(\.description) == taken && reload.waiting.map(\.description) == waiting)
        #expect(reload.configuration.differences(from: try configuration(new)) == reload.waiting.map(\.key))
    }

    @Test("whose jobs are taken, and as whom they run, is taken over")
    func customers() throws {
        let fresh = try configuration(
            "{policy.max-jobs: 3, policy.allow: 0x\(String(repeating: "ab", count: 20)), slurm.qos: low, slurm.partition: x}"
        )
        let reload = Reload(running: AgentConfiguration(), fresh: fresh)
        #expect(Set(reload.taken.map(\.key)) == ["policy.max-jobs", "policy.allow", "slurm.qos"])
        #expect(reload.configuration.grid.maximumJobs == 3 && reload.configuration.grid.allowedCustomers.count == 1)
        #expect(reload.configuration.grid.partition == "main")
        let policy = Gateways.schema.keys.filter { $0.name.hasPrefix("policy.") || $0.name.hasPrefix("users.") }
        #expect(policy.allSatisfy(\.isReloadable) && policy.count == 11)
    }

    @Test("a change in the file of customers counts, though its path is the same")
    func mapFile() throws {
        let customer = try #require(Address(hex: "0x" + String(repeating: "ab", count: 20)))
        var running = AgentConfiguration()
        running.usersFile = UserMapFile(path: "/m", customers: [customer: GridCustomer(login: "alice")])
        var fresh = running
        #expect(Reload(running: running, fresh: fresh).taken.isEmpty)
        fresh.usersFile?.customers[customer]?.login = "bob"
        let reload = Reload(running: running, fresh: fresh)
        #expect(reload.taken.map(\.description) == ["users.map-file (changed)"])
        #expect(reload.configuration.grid.login(of: customer) == "bob")
    }

    @Test("what was taken over is handed on before the answer; a broken file of customers changes nothing")
    func handedOn() async throws {
        let folder = NSTemporaryDirectory() + "reload-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let (map, file) = (folder + "/users.yaml", folder + "/config.yaml")
        func write(_ text: String, _ path: String) throws { try Data(text.utf8).write(to: URL(fileURLWithPath: path)) }
        let customer = try #require(Address(hex: "0x" + String(repeating: "ab", count: 20)))
        try write("users.map-file: \(map)\n", file)
        try write("\(customer.hex): alice\n", map)
        chmod(map, 0o600)
        let start = try AgentConfiguration.load(file: file, environment: [:])
        let taken = NIOLockedValueBox<[String]>([])
        let reloader = Reloader(
            file: file, running: start, retention: .init(.days(30)), notifier: SystemdNotifier(environment: [:]),
            logger: Logger(label: "test") { _ in Recorder(lines: .init([])) },
            take: { new in taken.withLockedValue { $0.append(new.grid.login(of: customer)) } })
        try write("\(customer.hex): bob\n", map)
        let second = await reloader.reload(start, environment: [:])
        #expect(taken.withLockedValue { $0 } == ["bob"])
        try write("\(customer.hex): bob: c\n", map)
        let third = await reloader.reload(second, environment: [:])
        #expect(third == second && taken.withLockedValue { $0 } == ["bob"])
    }

    @Test("what waits is told until it is as it was, and then no longer")
    func waiting() throws {
        let start = try configuration("poll-interval: 1s")
        let first = Reload(running: start, fresh: try configuration("{poll-interval: 2s, log-level: debug}"))
        let second = Reload(
            running: first.configuration, fresh: try configuration("{poll-interval: 2s, log-level: debug}"))
        #expect(second.taken.isEmpty && second.waiting.map(\.key) == ["poll-interval"])
        let third = Reload(running: second.configuration, fresh: start)
        #expect(third.taken.map(\.key) == ["log-level"] && third.waiting.isEmpty && third.configuration == start)
    }

    @Test("every key's change is noticed")
    func complete() throws {
        for key in Gateways.schema.keys where key.show != nil {
            let other =
                key.example
                ?? (Gateways.schema.defaultText(of: key) == "true" ? "false" : key.form == .boolean ? "true" : nil)
            guard let other else { continue }
            let changed = try configuration("\(key.name): \(ConfigurationReference.scalar(other))")
            let reload = Reload(running: AgentConfiguration(), fresh: changed)
            #expect((reload.taken + reload.waiting).map(\.key) == [key.name])
            #expect(reload.taken.isEmpty != key.isReloadable, "\(key.name)")
        }
    }

    @Test("the reloader takes over, reports, and leaves all as it is when the file is broken")
    func reloader() async throws {
        let path = NSTemporaryDirectory() + "reload-\(UUID().uuidString).yaml"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let lines = NIOLockedValueBox<[String]>([])
        let retention = NIOLockedValueBox(Duration.days(30))
        let start = AgentConfiguration()
        let reloader = Reloader(
            file: path, running: start, retention: retention, notifier: SystemdNotifier(environment: [:]),
            logger: Logger(label: "test") { _ in Recorder(lines: lines) })
        func reload(_ inForce: AgentConfiguration, _ yaml: String) async throws -> (AgentConfiguration, [String]) {
            try Data(yaml.utf8).write(to: URL(fileURLWithPath: path))
            lines.withLockedValue { $0 = [] }
            let next = await reloader.reload(inForce, environment: [:])
            return (next, lines.withLockedValue { $0 })
        }
        var (inForce, told) = try await reload(start, "# nothing\n")
        #expect(told == ["notice the configuration was read again: nothing changed"] && inForce == start)
        (inForce, told) = try await reload(inForce, "retention: 2d\nlog-format: json\npoll-interval: 9s\n")
        #expect(
            told == [
                "notice retention was taken over old=30d value=2d",
                "notice log-format was taken over old=text value=json",
                "warning poll-interval changed and needs a restart old=5s value=9s",
                "notice the configuration was read again; some of it needs a restart keys=poll-interval",
            ])
        #expect(retention.withLockedValue { $0 } == .days(2) && inForce.pollInterval == .seconds(5))
        let before = inForce
        (inForce, told) = try await reload(inForce, "retention: 3d\nlog-level: loud\nbridge: 1\n")
        #expect(
            told.map { $0.components(separatedBy: ": ").prefix(3).joined(separator: ": ") } == [
                "error the configuration cannot be used: \(path):2: log-level",
                "error the configuration cannot be used: \(path):3: bridge",
                "notice the configuration was read again: all stays as it is why=\(path):2: log-level",
            ])
        #expect(inForce == before && retention.withLockedValue { $0 } == .days(2))
        (inForce, told) = try await reload(inForce, "")
        #expect(retention.withLockedValue { $0 } == .days(30) && inForce == start && told.count == 3)
    }
}

private struct Recorder: LogHandler {
    let lines: NIOLockedValueBox<[String]>
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    init(lines: NIOLockedValueBox<[String]>) { self.lines = lines }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let fields = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        lines.withLockedValue { $0.append("\(event.level) \(event.message)\(fields)") }
    }
}
