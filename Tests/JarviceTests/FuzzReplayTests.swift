// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import Testing

@testable import Jarvice

/// The fuzzers' seeds, and inputs on which one of them once failed.
@Suite struct FuzzReplayTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "FuzzTesting")

    private func inputs(_ target: String) throws -> [[UInt8]] {
        let found = try ["FailCases", "Corpus"].flatMap { kind -> [[UInt8]] in
            let folder = Self.folder.appending(path: kind).appending(path: target)
            let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
            return try names.map { [UInt8](try Data(contentsOf: folder.appending(path: $0))) }
        }
        try #require(!found.isEmpty)
        return found
    }

    @Test func forms() throws {
        let types = ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b"]
        for input in try inputs("Forms") {
            let field = try FormBody.field(
                "args", contentType: types[Int(input[0]) % 2], body: Array(input.dropFirst()))
            let text = try #require(field)
            _ = try JSONValue(parsing: text.utf8).pythonText
        }
    }

    @Test func templates() throws {
        for input in try inputs("Template") {
            let text = String(decoding: input, as: UTF8.self)
            let bytes = text.utf8.flatMap { $0 == 0x7b || $0 == 0x7d ? [$0, $0] : [$0] }
            let braces = String(decoding: bytes, as: UTF8.self)
            #expect(try FormatTemplate.format(braces, name: "P", value: "x") == text)
        }
    }

    @Test func devices() throws {
        for input in try inputs("Devices") {
            let list = try DeviceList(String(decoding: input, as: UTF8.self))
            #expect(list.options.values.allSatisfy { !$0.isEmpty })
        }
    }

    @Test func pages() throws {
        for input in try inputs("Pages") {
            let lines = String(decoding: input, as: UTF8.self).split(separator: "\n").map(String.init)
            let found = try ["h/job$", "jobs.example.org", "x$y.h/p"].compactMap { text -> String? in
                guard case .job(let found)? = try JobsDomain(text).match(host: lines[0], target: lines[1]) else {
                    return nil
                }
                return found.prefix + found.path
            }
            #expect(found == [lines[1]])
        }
    }

    @Test func tokens() throws {
        for input in try inputs("Tokens") {
            let parts = try TokenParts(String(decoding: input, as: UTF8.self))
            #expect(parts.algorithm == nil || parts.algorithm == .edDSA)
        }
    }
}
