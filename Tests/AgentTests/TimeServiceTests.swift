// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Glibc
import Testing

@testable import Agent

@Suite("The system bus's word on the clock")
struct TimeServiceTests {
    /// A message of a bus: a signal, an answer, an error.
    private static func message(_ kind: UInt8, answers: UInt32? = nil, body: [UInt8] = []) -> [UInt8] {
        func number(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
        let fields: [UInt8] =
            [6, 1, UInt8(ascii: "s"), 0] + number(4) + Array(":1.1".utf8) + [0, 0, 0, 0]
            + (answers.map { [5, 1, UInt8(ascii: "u"), 0] + number($0) } ?? [])
        var bytes = [UInt8(ascii: "l"), kind, 1, 1] + number(UInt32(body.count)) + number(9)
        bytes += number(UInt32(fields.count)) + fields
        while bytes.count % 8 != 0 { bytes.append(0) }
        return bytes + body
    }

    private static func flag(_ value: UInt8) -> [UInt8] { [1, UInt8(ascii: "b"), 0, 0, value, 0, 0, 0] }

    /// Answers one caller, byte by byte or at once, and ends.
    private func ask(_ answers: [[UInt8]], says: String = "OK 1234\r\n", inPieces: Bool = false) throws -> Bool? {
        let folder = try #require(mkdtemp(strdup("/tmp/bus-XXXXXX")).map { String(cString: $0) })
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/bus"
        let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(bound == 0 && listen(listener, 1) == 0)
        let bytes = Array(says.utf8) + answers.flatMap(\.self)
        let server = Thread {
            let caller = accept(listener, nil, nil)
            for piece in inPieces ? bytes.map({ [$0] }) : [bytes] {
                _ = piece.withUnsafeBytes { send(caller, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            }
            shutdown(caller, Int32(SHUT_WR))
            var rest = [UInt8](repeating: 0, count: 4096)
            while read(caller, &rest, rest.count) > 0 {}
            close(caller)
        }
        server.start()
        return TimeService(bus: path, patience: .seconds(60)).isSynchronised()
    }

    @Test("what it answers, between what it says of itself", arguments: [true, false])
    func answers(_ inPieces: Bool) throws {
        let hello = Self.message(2, answers: 1, body: [4, 0, 0, 0, 58, 49, 46, 49, 0])
        let signal = Self.message(4, body: [1, 2, 3])
        for (value, expected) in [(UInt8(1), true), (0, false)] {
            let answer = Self.message(2, answers: 2, body: Self.flag(value))
            #expect(try ask([hello, signal, answer], inPieces: inPieces) == expected)
        }
    }

    @Test("an error, something else, rubbish, silence and a refusal are no answer")
    func noAnswer() throws {
        let hello = Self.message(2, answers: 1)
        #expect(try ask([hello, Self.message(3, answers: 2, body: Self.flag(1))]) == nil)
        #expect(try ask([hello, Self.message(2, answers: 2, body: [1, UInt8(ascii: "s"), 0, 0])]) == nil)
        #expect(try ask([hello, Self.message(2, answers: 7, body: Self.flag(1))]) == nil)
        #expect(try ask([hello]) == nil)
        #expect(try ask([[UInt8](repeating: 255, count: 64)]) == nil)
        #expect(try ask([[UInt8(ascii: "l"), 2, 0, 1] + [UInt8](repeating: 255, count: 12)]) == nil)
        #expect(try ask([], says: "REJECTED EXTERNAL\r\n") == nil)
        #expect(TimeService(bus: "/nowhere/bus").isSynchronised() == nil)
    }

    @Test("the calls are as the specification has them")
    func calls() {
        let call = DBusCall(serial: 1, to: "org.freedesktop.DBus", at: "/org/freedesktop/DBus", name: "Hello")
        #expect(call.bytes.count % 8 == 0 && Array(call.bytes[..<8]) == [108, 1, 0, 1, 0, 0, 0, 0])
        #expect(DBusMessage.length(call.bytes) == call.bytes.count)
        let question = DBusCall(serial: 2, to: "a.b", at: "/a", name: "Get", of: "a.c", words: ["x", "yz"])
        #expect(DBusMessage.length(question.bytes) == question.bytes.count)
        #expect(question.bytes.suffix(15) == [1, 0, 0, 0, 120, 0, 0, 0, 2, 0, 0, 0, 121, 122, 0])
    }
}
