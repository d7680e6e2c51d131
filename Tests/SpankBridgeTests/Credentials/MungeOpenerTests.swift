// SPDX-License-Identifier: GPL-3.0-or-later

import Dispatch
import Foundation
import NIOCore
import NIOPosix
import Testing
import Waiting

@testable import SpankBridge

@Suite(.timeLimit(.minutes(1))) struct MungeOpenerTests {
    private func error(_ opener: MungeOpener, _ credential: String) async -> CredentialError? {
        do throws(CredentialError) {
            _ = try await opener.open(Array(credential.utf8))
            return nil
        } catch {
            return error
        }
    }

    @Test(
        "Without munged",
        arguments: ["/nonexistent/munge.socket", "/dev/null", "/" + String(repeating: "x", count: 300), ""])
    func away(_ socket: String) async {
        let failure = await error(MungeOpener(socket: socket), "MUNGE:AwQFAAA=:")
        #expect(failure?.code == .unavailable, "\(String(describing: failure))")
        #expect(failure?.message.isEmpty == false)
    }

    @Test("A munged that takes the credential and never answers")
    func hung() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sga-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "munge").path
        // It reads what comes, and drops it.
        let silent = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup).bind(
            unixDomainSocketPath: path
        ).get()
        let opener = MungeOpener(socket: path, timeout: .milliseconds(50))
        let failure = await error(opener, "MUNGE:AwQFAAA=:")
        #expect(failure?.code == .unavailable && failure?.message.contains("in time") == true)
        try await silent.close()
    }

    @Test("Once every thread is in a call that does not return the next one is refused at once")
    func stuck() async {
        let threads = DecodingThreads(limit: 4)
        let gate = DispatchSemaphore(value: 0)
        func words(_ body: @escaping @Sendable () -> DecodingThreads.Outcome) async -> String? {
            do throws(CredentialError) {
                _ = try await threads.run(timeout: .milliseconds(50), body)
                return nil
            } catch {
                return error.code == .unavailable ? error.message : nil
            }
        }
        for _ in 0..<4 {
            let late = await words {
                gate.wait()
                return .failure(CredentialError(.unavailable, "too late"))
            }
            #expect(late?.contains("in time") == true)
        }
        let refused = await words { .failure(CredentialError(.unavailable, "it ran")) }
        #expect(refused?.contains("hangs") == true)
        for _ in 0..<4 { gate.signal() }
    }
}

/// With a real munged, whose socket LAB_MUNGE_SOCKET names.
@Suite(
    .timeLimit(.minutes(1)), .enabled(if: ProcessInfo.processInfo.environment["LAB_MUNGE_SOCKET"] != nil)
) struct LiveMungeTests {
    private let socket = ProcessInfo.processInfo.environment["LAB_MUNGE_SOCKET"] ?? ""

    private func sign(_ payload: [UInt8], _ options: String...) throws -> [UInt8] {
        let process = Process()
        let input = Pipe()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/munge")
        process.arguments = ["-S", socket] + options
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        try input.fileHandleForWriting.write(contentsOf: payload)
        try input.fileHandleForWriting.close()
        let text = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        return Array(text).filter { $0 != UInt8(ascii: "\n") }
    }

    private func code(_ credential: [UInt8]) async -> CredentialError.Code? {
        do throws(CredentialError) {
            _ = try await MungeOpener(socket: socket).open(credential)
            return nil
        } catch {
            return error.code
        }
    }

    @Test(
        "What was signed comes out, with who signed it",
        arguments: [[], [0, 1, 0, 255], Array(repeating: 7, count: 60_000)] as [[UInt8]])
    func opened(_ payload: [UInt8]) async throws {
        let opened = try await MungeOpener(socket: socket).open(try sign(payload))
        #expect(opened == OpenedCredential(payload: payload, uid: geteuid(), gid: getegid()))
    }

    @Test func onceOnly() async throws {
        let credential = try sign([1])
        #expect(await code(credential) == nil)
        #expect(await code(credential) == .replayed)
    }

    @Test func spoiled() async throws {
        var credential = try sign([1])
        credential[credential.count / 2] ^= 1
        let texts = [[], [0], Array("nonsense".utf8), Array("MUNGE:AAAA:".utf8), Array("MUNGE:".utf8), credential]
        for text in texts {
            #expect(await code(text) == .invalid, "\(String(decoding: text, as: UTF8.self))")
        }
    }

    @Test func notForThisUser() async throws {
        #expect(await code(try sign([1], "--restrict-uid=65533")) == .invalid)
    }

    @Test func tooOld() async throws {
        let credential = try sign([1], "--ttl=1")
        // munged counts whole seconds of the real clock.
        try await Task.sleep(for: .milliseconds(2500))
        #expect(await code(credential) == .expired)
    }

    @Test("A whole cluster at once")
    func burst() async throws {
        let credentials = try (0..<100).map { try sign([UInt8($0)]) }
        let opener = MungeOpener(socket: socket, timeout: .seconds(20))
        let payloads = try await withThrowingTaskGroup(of: [UInt8].self) { group in
            for credential in credentials { group.addTask { try await opener.open(credential).payload } }
            return try await group.reduce(into: Set<[UInt8]>()) { $0.insert($1) }
        }
        #expect(payloads.count == 100)
    }
}
