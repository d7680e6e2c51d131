// SPDX-License-Identifier: GPL-3.0-or-later

import Ethereum
import Foundation
import Glibc
import Testing
import Waiting

@testable import Agent
@testable import AgentSettings

/// Faults made for real, as root sees them: what `check` says, whether the command that it names heals it.
@Suite("A fault, its message, its remedy", .enabled(if: geteuid() == 0))
struct RemedyTests {
    /// A host where all is well.
    final class Host {
        let top = FileManager.default.temporaryDirectory.path + "/remedy-\(UUID().uuidString.prefix(8))"
        var configuration = AgentConfiguration()
        static let agent: UInt32 = 65534

        var state: String { top + "/state" }
        var credentials: String { top + "/credentials" }
        var key: String { top + "/key" }
        var token: String { top + "/token" }
        var password: String { top + "/password" }
        var file: String { top + "/config.yaml" }

        init() throws {
            for folder in [top, state, credentials, top + "/run"] {
                try FileManager.default.createDirectory(
                    atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o755])
            }
            chmod(state, 0o700)
            chmod(credentials, 0o700)
            for path in [key, token, password, state + "/ledger.sqlite", state + "/chain.sqlite-wal"] {
                try make(path)
                chown(path, Self.agent, Self.agent)
            }
            try make(credentials + "/chain-key")
            try make(file)
            chown(state, Self.agent, Self.agent)
            configuration.stateFolder = state
            configuration.chain.keyFile = key
            configuration.chain.keyPasswordFile = password
            configuration.admin.tokenFile = token
            configuration.bridgeSocket = top + "/run/events.sock"
            configuration.controlSocket = top + "/run/control.sock"
            configuration.admin.socket = top + "/run/admin.sock"
        }

        deinit { try? FileManager.default.removeItem(atPath: top) }

        private func make(_ path: String) throws {
            try Data("0123456789abcdef".utf8).write(to: URL(fileURLWithPath: path))
            chmod(path, 0o600)
        }

        var findings: [Finding] {
            var checks = Checks(configuration: configuration, file: file)
            checks.credentialsFolder = credentials
            return checks.host() + checks.secrets() + checks.ports()
        }

        func found(_ subject: String) -> Finding? {
            let all = findings.filter { $0.subject == subject }
            return all.first { $0.level == .failure } ?? all.first
        }
    }

    struct Fault: Sendable, CustomTestStringConvertible {
        var subject: String
        var words: String
        var make: @Sendable (Host) -> Void

        var testDescription: String { "\(subject): \(words)" }
    }

    static let faults = [
        Fault(subject: "credentials", words: "others can enter it") { chmod($0.credentials, 0o755) },
        Fault(subject: "credentials", words: "who can read and change it") { chown($0.credentials, 1234, 0) },
        Fault(subject: "credentials", words: "others can read it") { chmod($0.credentials + "/chain-key", 0o644) },
        Fault(subject: "credentials", words: "belongs to uid 1234") { chown($0.credentials + "/chain-key", 1234, 0) },
        Fault(subject: "key file", words: "others can read or change it") { chmod($0.key, 0o640) },
        Fault(subject: "key file", words: "cannot read it") { chown($0.key, 0, 0) },
        Fault(subject: "key file", words: "belongs to uid 1234") { chown($0.key, 1234, 0) },
        Fault(subject: "key file", words: "shut to its own owner") { chmod($0.key, 0) },
        Fault(subject: "password file", words: "others can read or change it") { chmod($0.password, 0o604) },
        Fault(subject: "token file", words: "others can read or change it") { chmod($0.token, 0o644) },
        Fault(subject: "token file", words: "cannot read it") { chown($0.token, 0, 0) },
        Fault(subject: "state folder", words: "others can enter it") { chmod($0.state, 0o755) },
        // Not the folder is to blame.
        Fault(subject: "state folder", words: "/ledger.sqlite belongs to root") {
            chown($0.state + "/ledger.sqlite", 0, 0)
        },
        Fault(subject: "state folder", words: "/chain.sqlite-wal belongs to root") {
            chown($0.state + "/chain.sqlite-wal", 0, 0)
        },
        Fault(subject: "configuration", words: "others may write it") { chmod($0.file, 0o622) },
        Fault(subject: "socket", words: "others may write into it") { chmod($0.top + "/run", 0o777) },
    ]

    @Test("what is typed as it says heals it", arguments: faults)
    func remedy(_ fault: Fault) throws {
        let host = try Host()
        #expect(host.found(fault.subject)?.level == .ok, "\(host.findings)")
        fault.make(host)
        let found = try #require(host.found(fault.subject))
        #expect(found.level == .failure && found.text.contains(fault.words), "\(found)")
        let command = try #require(found.text.firstMatch(of: #/(?:chmod|chown) [^,;()]+/#)?.output)
        let shell = Process()
        shell.executableURL = URL(fileURLWithPath: "/bin/sh")
        shell.arguments = ["-c", String(command)]
        try shell.run()
        shell.waitUntilExit()
        #expect(shell.terminationStatus == 0, "\(command)")
        #expect(host.found(fault.subject)?.level == .ok, "\(command): \(host.findings)")
    }

    @Test("what is not there is named")
    func missing() throws {
        let host = try Host()
        unlink(host.key)
        #expect(host.found("key file")?.text.hasPrefix("\(host.key) is not there: put the key back") == true)
        try FileManager.default.removeItem(atPath: host.credentials)
        #expect(host.found("credentials") == nil)
    }

    @Test("a port that another process has, and an address of another host")
    func ports() throws {
        let host = try Host()
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(listener, $0, length)
                _ = listen(listener, 1)
                _ = getsockname(listener, $0, &length)
            }
        }
        let port = UInt16(bigEndian: address.sin_port)
        host.configuration.bridgeListen = "127.0.0.1:\(port)"
        let taken = try #require(host.found("bridge.listen"))
        #expect(taken.level == .failure && taken.text.contains("ss -ltnp \"sport = :\(port)\""))
        close(listener)
        #expect(host.found("bridge.listen")?.level == .ok)
        host.configuration.bridgeListen = "192.0.2.1:6821"
        #expect(host.found("bridge.listen")?.text.contains("no such address") == true)
    }
}
