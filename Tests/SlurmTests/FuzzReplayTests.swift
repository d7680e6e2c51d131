// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import Testing

@testable import Slurm

/// Inputs on which a fuzzer or a test once failed (FuzzTesting/FailCases), and the fuzzers' seeds.
@Suite struct FuzzReplayTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "FuzzTesting")

    /// The files of a target; every target has a seed at least.
    private func inputs(_ target: String) throws -> [(name: String, bytes: [UInt8])] {
        let inputs = try ["FailCases", "Corpus"].flatMap { kind in
            let folder = Self.folder.appending(path: kind).appending(path: target)
            return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
                .filter { !$0.hasPrefix(".") }
                .map { ("\(kind)/\(target)/\($0)", [UInt8](try Data(contentsOf: folder.appending(path: $0)))) }
        }
        try #require(!inputs.isEmpty)
        return inputs
    }

    private func texts(_ target: String) throws -> [(name: String, text: String)] {
        try inputs(target).compactMap { input in
            String(validating: input.bytes, as: UTF8.self).map { (input.name, $0) }
        }
    }

    @Test func hostlist() throws {
        for (name, text) in try texts("Hostlist") {
            guard let names = Hostlist.expand(text) else { continue }
            #expect(names.count <= Hostlist.limit, "\(name)")
            #expect(Hostlist.expand(Hostlist.compress(names)) == names, "\(name)")
        }
    }

    @Test func gres() throws {
        for (name, text) in try texts("GRES") {
            for gres in GRES.list(text) ?? [] { #expect(GRES.list(gres.description) == [gres], "\(name)") }
            if let numbers = IndexRange.expand(text) {
                #expect(IndexRange.expand(IndexRange.compress(numbers)) == numbers, "\(name)")
            }
        }
    }

    @Test func tres() throws {
        for (name, text) in try texts("TRES") {
            let tres = TRES(text)
            _ = tres.gpus
            for (entry, amount) in tres.entries where entry != "mem" && !entry.hasPrefix("bb/") {
                #expect(TRES("\(entry)=\(amount)")[entry] == amount, "\(name)")
            }
        }
    }

    @Test func states() throws {
        for (name, bytes) in try inputs("States") {
            let raw = bytes.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            let (state, exit) = (JobState(rawValue: raw), ExitStatus(raw: raw))
            #expect(exit.signal == 0 || exit.code == 0, "\(name)")
            #expect(!state.hasEnded || !state.flags.contains(.requeue), "\(name)")
            #expect(!NodeState(rawValue: raw).description.isEmpty, "\(name)")
            guard let text = String(validating: bytes, as: UTF8.self) else { continue }
            if let limit = TimeLimit(text) { #expect(TimeLimit(limit.description) == limit, "\(name)") }
            if let id = JobID(text) { #expect(JobID(id.description) == id, "\(name)") }
        }
    }

    @Test func accountingLine() throws {
        for (name, text) in try texts("AccountingLine") {
            let line = try? JSONDecoder().decode(AccountingLine.self, from: Data(text.utf8))
            guard case .job(let job)? = line else { continue }
            let again = try JSONDecoder().decode(AccountingJob.self, from: JSONEncoder().encode(job))
            #expect(again == job, "\(name)")
        }
    }

    @Test func tidy() throws {
        for (name, text) in try texts("Tidy") {
            let lines = SlurmCall.tidy(text).split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
            #expect(lines.count == 1, "\(name)")
        }
    }
}
