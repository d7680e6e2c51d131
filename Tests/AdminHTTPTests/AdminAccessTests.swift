// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Glibc
import Testing

@testable import AdminHTTP

@Suite("Admin access")
struct AdminAccessTests {
    static let secret = "correct-horse-battery-staple"

    /// A file with this content and mode, while the body runs.
    static func withFile<Result>(
        _ content: String, mode: mode_t = 0o600, owner: uid_t? = nil, _ body: (String) throws -> Result
    ) throws -> Result {
        let path = FileManager.default.temporaryDirectory.path + "/token-\(UUID().uuidString)"
        defer { unlink(path) }
        try Data(content.utf8).write(to: URL(filePath: path))
        #expect(chmod(path, mode) == 0)
        if let owner { #expect(chown(path, owner, owner) == 0) }
        return try body(path)
    }

    static func token() throws -> AdminToken {
        try withFile(secret + "\n") { try AdminToken(file: $0) }
    }

    // MARK: the token's file

    @Test(arguments: [0o600, 0o400, 0o640, 0o440] as [mode_t])
    func goodModes(_ mode: mode_t) throws {
        let token = try Self.withFile("  \(Self.secret) \n", mode: mode) { try AdminToken(file: $0) }
        #expect(token.matches(Self.secret.utf8))
        #expect("\(token)" == "<token>")
    }

    @Test(arguments: [0o644, 0o604, 0o660, 0o602, 0o620, 0o601, 0o650, 0o777] as [mode_t])
    func badModes(_ mode: mode_t) throws {
        let problem = try Self.withFile(Self.secret, mode: mode) { path in
            #expect(throws: AdminToken.Problem.self) { try AdminToken(file: path) }
        }
        #expect(problem?.description.contains("others can read or change it") == true)
        #expect(problem?.description.contains(Self.secret) == false)
    }

    @Test(
        arguments: [
            ("", "is empty"), (" \n", "is empty"), ("fifteen-letters", "has 15 characters"),
            ("two words are not one", "without blanks"),
            ("two-lines-are\nnot-one-token", "without blanks"), ("no-ASCII-letters-é", "visible ASCII"),
            (String(repeating: "x", count: 5000), "larger than"),
        ])
    func badContent(_ content: String, _ words: String) throws {
        let problem = try Self.withFile(content) { path in
            #expect(throws: AdminToken.Problem.self) { try AdminToken(file: path) }
        }
        #expect(problem?.description.contains(words) == true, "\(problem?.description ?? "")")
    }

    @Test func badPlaces() throws {
        let missing = #expect(throws: AdminToken.Problem.self) { try AdminToken(file: "/nonexistent/token") }
        #expect(missing?.description.contains("make it") == true)
        let folder = #expect(throws: AdminToken.Problem.self) { try AdminToken(file: "/tmp") }
        #expect(folder?.description.contains("no regular file") == true)
        try Self.withFile(Self.secret) { path in
            let link = path + ".link"
            #expect(symlink(path, link) == 0)
            defer { unlink(link) }
            let linked = #expect(throws: AdminToken.Problem.self) { try AdminToken(file: link) }
            #expect(linked?.description.contains("it is a link") == true)
        }
    }

    @Test("another user's file could be changed by that user", .enabled(if: geteuid() == 0))
    func otherOwner() throws {
        let problem = try Self.withFile(Self.secret, owner: 65_534) { path in
            #expect(throws: AdminToken.Problem.self) { try AdminToken(file: path) }
        }
        #expect(problem?.description.contains("belongs to uid 65534") == true)
    }

    @Test(arguments: [
        "", "c", "correct-horse-battery-stapl", "correct-horse-battery-staple2", "Correct-horse-battery-staple",
    ])
    func wrongTokens(_ given: String) throws {
        #expect(try !Self.token().matches(given.utf8))
        // As long as the token, and repeated: what is compared with what wraps around.
        #expect(try !Self.token().matches((Self.secret + Self.secret).utf8))
    }

    // MARK: hosts

    private static let hosts = ["192.0.2.7", "2001:db8::7", "Head.Example.org"]

    @Test(
        arguments: [
            "localhost", "localhost:9478", "LOCALHOST", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:9478", "192.0.2.7",
            "192.0.2.7:9478", "[2001:db8::7]:80", "head.example.org", "HEAD.example.org.:65535",
        ])
    func knownHosts(_ host: String) {
        #expect(AdminAccess(token: nil, hosts: Self.hosts).judge(host: host, authorization: nil) == .allowed)
    }

    @Test(
        arguments: [
            nil, "", ":80", "evil.example", "evil.example:9478", "localhost.evil.example", "127.0.0.2", "0.0.0.0",
            "::1", "[::1",
            "[::1]x", "[::2]", "head.example.org:80:80", "head.example.org:x", "localhost@evil.example",
            "head.example.org/",
            "head.example.org:1234567", "2001:db8::7", "localhost ", "localhost..",
        ])
    func otherHosts(_ host: String?) throws {
        #expect(AdminAccess(token: nil, hosts: Self.hosts).judge(host: host, authorization: nil) == .misdirected)
        // The name comes first: whoever is not asked for learns nothing about the token.
        let right = AdminAccess(token: try Self.token(), hosts: Self.hosts)
        #expect(right.judge(host: host, authorization: "Bearer \(Self.secret)") == .misdirected)
    }

    // MARK: authorization

    private static func basic(_ pair: String) -> String { "Basic " + Data(pair.utf8).base64EncodedString() }

    @Test(
        arguments: [
            "Bearer \(secret)", "bearer \(secret)", "BEARER   \(secret)", basic("admin:\(secret)"), basic(":\(secret)"),
            "basic " + Data("any user:\(secret)".utf8).base64EncodedString(),
        ])
    func shown(_ authorization: String) throws {
        let access = AdminAccess(token: try Self.token(), hosts: [])
        #expect(access.judge(host: "localhost", authorization: authorization) == .allowed)
    }

    @Test(
        arguments: [
            "", "Bearer", "Bearer ", "Bearer wrong", "Bearer \(secret) ", "Token \(secret)", secret, basic(secret),
            basic("\(secret):"),
            basic("a:b:\(secret)"), "Basic ???", "Basic \(secret)",
        ])
    func notShown(_ authorization: String) throws {
        let access = AdminAccess(token: try Self.token(), hosts: [])
        #expect(access.judge(host: "localhost", authorization: authorization) == .unauthorized(isGuess: true))
        #expect(access.judge(host: "localhost", authorization: nil) == .unauthorized(isGuess: false))
    }
}
