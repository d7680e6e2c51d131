// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Glibc
import JobLifecycle
import Synchronization
import Testing
import Waiting

@testable import Agent

@Suite("Journal")
struct JournalTests {
    /// Transitions with these numbers; fewer than asked for would fail what is expected of them.
    private static func batch(_ sequences: Int64...) -> [JobTransition] {
        sequences.compactMap { sequence in
            let json = """
                {"sequence":\(sequence),"kind":"ended","final":true,"recorded_at_us":5,"ledger_job":1,"job":"7","job_id":7,
                 "exit_status":768,"state":"FAILED","details":{"name":"a\\nb"}}
                """
            return try? JSONDecoder().decode(JobTransition.self, from: Data(json.utf8))
        }
    }

    private func withFile(_ body: (String) async throws -> Void) async throws {
        let path = FileManager.default.temporaryDirectory.path + "/journal-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await body(path)
    }

    private func sequences(_ path: String) throws -> [Int64] {
        try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
            .dropLast()
            .map { try JSONDecoder().decode(JobTransition.self, from: Data($0.utf8)).sequence }
    }

    @Test("each transition once, whoever asks again, also after a restart")
    func once() async throws {
        try await withFile { path in
            let first = JournalGateway(path: path)
            #expect(try await first.deliver(Self.batch(1, 2)) == [.delivered, .delivered])
            #expect(try await first.deliver(Self.batch(2, 3)) == [.delivered, .delivered])
            let second = JournalGateway(path: path)
            #expect(try await second.deliver(Self.batch(3, 5)) == [.delivered, .delivered])
            let written = try sequences(path)
            #expect(written == [1, 2, 3, 5])
        }
    }

    @Test("a line torn by a crash is cut off and written again", arguments: [1, 40, 200])
    func torn(_ left: Int) async throws {
        try await withFile { path in
            _ = try await JournalGateway(path: path).deliver(Self.batch(1, 2))
            let text = try String(contentsOfFile: path, encoding: .utf8)
            let lines = text.split(separator: "\n")
            try (lines[0] + "\n" + lines[1].prefix(left)).write(toFile: path, atomically: true, encoding: .utf8)
            _ = try await JournalGateway(path: path).deliver(Self.batch(2))
            #expect(try String(contentsOfFile: path, encoding: .utf8) == text)
        }
    }

    @Test("moved away: begun again; something else in its place: retried with the reason")
    func places() async throws {
        try await withFile { path in
            let gateway = JournalGateway(path: path)
            _ = try await gateway.deliver(Self.batch(1))
            try FileManager.default.moveItem(atPath: path, toPath: path + ".1")
            defer { try? FileManager.default.removeItem(atPath: path + ".1") }
            _ = try await gateway.deliver(Self.batch(2))
            #expect(try sequences(path) == [2])
            try "no transition\n".write(toFile: path, atomically: true, encoding: .utf8)
            let refused = await #expect(throws: GatewayUnavailable.self) { try await gateway.deliver(Self.batch(3)) }
            #expect(refused?.description.contains("move the file away") == true)
        }
        await #expect(throws: GatewayUnavailable.self) {
            try await JournalGateway(path: "/nonexistent/journal").deliver(Self.batch(1))
        }
    }

    // MARK: a disk that fails

    struct Fault: CustomTestStringConvertible {
        var testDescription: String
        /// Of the first write: so many bytes, then no room.
        var room: Int?
        var syncFails = false
        var cutFails = false
        /// The process that met it is gone.
        var restarts = false
        var whole: [Int64] = [1, 2, 3]
        var broken = 0
    }

    static let faults = [
        Fault(testDescription: "half a line", room: 40),
        Fault(testDescription: "half a line, and a restart", room: 40, restarts: true),
        Fault(testDescription: "half a line that cannot be cut off", room: 40, cutFails: true, broken: 1),
        Fault(
            testDescription: "half a line that cannot be cut off, and a restart", room: 40, cutFails: true,
            restarts: true, broken: 1),
        Fault(testDescription: "a line and a half that cannot be cut off", room: 180, cutFails: true, broken: 1),
        Fault(testDescription: "one byte", room: 1, cutFails: true, broken: 1),
        Fault(testDescription: "nothing", room: 0, cutFails: true),
        Fault(testDescription: "all, but it is not synced", syncFails: true),
        Fault(testDescription: "all, but it is not synced, and a restart", syncFails: true, restarts: true),
        Fault(testDescription: "all, neither synced nor to be cut off", syncFails: true, cutFails: true),
    ]

    private func calls(_ fault: Fault) -> JournalFile.Calls {
        // The first batch, then the one that fails.
        let writes = Mutex(0)
        let syncs = Mutex(0)
        var calls = JournalFile.Calls()
        if fault.cutFails {
            calls.truncate = { _, _ in
                errno = EPERM
                return -1
            }
        }
        calls.write = { descriptor, bytes, count in
            let number = writes.withLock { writes in
                writes += 1
                return writes
            }
            guard let room = fault.room, number == 2 || number == 3 else { return write(descriptor, bytes, count) }
            if number == 2, room > 0 { return write(descriptor, bytes, room) }
            errno = ENOSPC
            return -1
        }
        calls.sync = { descriptor in
            let number = syncs.withLock { syncs in
                syncs += 1
                return syncs
            }
            guard fault.syncFails, number == 2 else { return fdatasync(descriptor) }
            errno = EIO
            return -1
        }
        return calls
    }

    @Test("whatever a disk does, no reader finds two transitions in one line, or one twice", arguments: faults)
    func fails(_ fault: Fault) async throws {
        try await withFile { path in
            let calls = calls(fault)
            var journal = JournalGateway(path: path, calls: calls)
            _ = try await journal.deliver(Self.batch(1))
            await #expect(throws: GatewayUnavailable.self) { try await journal.deliver(Self.batch(2, 3)) }
            if fault.restarts { journal = JournalGateway(path: path, calls: calls) }
            while true {
                do {
                    _ = try await journal.deliver(Self.batch(2, 3))
                    break
                } catch {}
            }
            let lines = try String(contentsOfFile: path, encoding: .utf8)
                .split(separator: "\n", omittingEmptySubsequences: false).dropLast()
            let read = lines.map { try? JSONDecoder().decode(JobTransition.self, from: Data($0.utf8)).sequence }
            #expect(read.compactMap { $0 } == fault.whole)
            #expect(read.count { $0 == nil } == fault.broken)
            // And it goes on.
            _ = try await JournalGateway(path: path, calls: calls).deliver(Self.batch(4))
            #expect(try String(contentsOfFile: path, encoding: .utf8).hasSuffix("}\n"))
        }
    }

    /// A pipe that nobody reads stands for a hung disk: the write into it never returns.
    private func withFullPipe(_ body: (String) async throws -> Void) async throws {
        try await withFile { path in
            #expect(mkfifo(path, 0o600) == 0)
            let end = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC)
            defer { close(end) }
            let filler = [UInt8](repeating: 10, count: 4096)
            while write(end, filler, filler.count) > 0 {}
            try await body(path)
            // What hangs comes back, so that its thread ends.
            var sink = [UInt8](repeating: 0, count: 1 << 20)
            while read(end, &sink, sink.count) > 0 {}
        }
    }

    @Test("a disk that hangs holds up no other work, and the journal is told to be away", .timeLimit(.minutes(1)))
    func hungDisk() async throws {
        try await withFullPipe { path in
            let clock = VirtualClock()
            // More than there are threads in the cooperative pool.
            let journals = (0..<(4 * ProcessInfo.processInfo.activeProcessorCount)).map { _ in
                JournalGateway(path: path, clock: clock)
            }
            let deliveries = journals.map { journal in
                Task { try await journal.deliver(Self.batch(1)) }
            }
            try await waitUntil { clock.sleepers >= journals.count }
            clock.advance(by: .seconds(30))
            for delivery in deliveries {
                let away = await #expect(throws: GatewayUnavailable.self) { try await delivery.value }
                #expect(away?.description.contains("does not answer") == true)
            }
            let again = await #expect(throws: GatewayUnavailable.self) { try await journals[0].deliver(Self.batch(1)) }
            #expect(again?.description.contains("has not come back yet") == true)
        }
    }

    @Test("the agent ends while the disk hangs", .timeLimit(.minutes(1)))
    func endsWhileItHangs() async throws {
        try await withFullPipe { path in
            let clock = VirtualClock()
            let journal = JournalGateway(path: path, clock: clock)
            let delivery = Task { try await journal.deliver(Self.batch(1)) }
            try await waitUntil { clock.sleepers >= 1 }
            delivery.cancel()
            await #expect(throws: GatewayUnavailable.self) { try await delivery.value }
        }
    }
}
