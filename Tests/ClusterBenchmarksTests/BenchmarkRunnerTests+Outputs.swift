// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@testable import ClusterBenchmarks

extension BenchmarkRunnerTests {
    @Test("a job that could not write its results says where it is to be looked")
    func fullFolder() async throws {
        let stage = try Stage()
        let runner = try stage.runner()
        defer { runner.close() }
        _ = try await runner.begin([.machine])
        await runner.step()
        let order = try await stage.orders(runner)[0]
        try await stage.tell(
            runner, order, "ended", job: 7, state: "FAILED", isFinal: true, exitStatus: BenchmarkScript.cannotWrite << 8
        )
        #expect(await !runner.step())
        let part = try await runner.history(limit: 1)[0].parts[0]
        #expect(part.state == .failed && part.message?.contains("could not write to benchmark.result-folder") == true)
    }

    @Test("a damaged file is kept aside, and a new one begun")
    func damagedFile() async throws {
        let stage = try Stage()
        let path = stage.folder.appending(path: "benchmark.sqlite").path
        try Data(repeating: 0x41, count: 8192).write(to: URL(fileURLWithPath: path))
        var aside: String?
        let file = try BenchmarkFile.open(path: path, onSetAside: { place, _ in aside = place })
        file.close()
        #expect(try Data(contentsOf: URL(fileURLWithPath: try #require(aside))).first == 0x41)
        let runner = try stage.runner()
        defer { runner.close() }
        #expect(try await runner.begin([.machine]) == 1)
    }

    @Test("of an output that is too long what is read counts, and it is not awaited")
    func longOutput() async throws {
        let stage = try Stage()
        let runner = try stage.runner()
        defer { runner.close() }
        stage.change { $0.isCut = true }
        for written in [true, false] {
            _ = try await runner.begin([.machine])
            await runner.step()
            let order = try #require(try await stage.orders(runner).last)
            try stage.write(order, written ? ["machine": MachineFactsTests.rome] : [:])
            try await stage.tell(runner, order, "ended", job: 7, state: "COMPLETED", isFinal: true)
            #expect(await !runner.step())
            let part = try await runner.history(limit: 1)[0].parts[0]
            #expect(
                part.state == (written ? .done : .failed) && part.message?.contains("longer than 16 MiB, or") == true)
        }
    }

    @Test("what a part is expected to take is what the last one on the same hardware took")
    func expected() async throws {
        let stage = try Stage()
        let runner = try stage.runner()
        defer { runner.close() }
        for (start, wanted) in [(100, nil), (1000, Int64(40))] as [(Int64, Int64?)] {
            _ = try await runner.begin([.machine])
            await runner.step()
            let order = try #require(try await stage.orders(runner).last)
            #expect(try await runner.history(limit: 1)[0].parts[0].expected == wanted)
            try stage.write(order, ["machine": MachineFactsTests.rome])
            try await stage.tell(
                runner, order, "ended", job: 7, state: "COMPLETED", isFinal: true, times: (start, start + 40))
            #expect(await !runner.step())
            #expect(try await runner.history(limit: 1)[0].parts[0].expected == nil)
        }
    }
}

@Suite struct OutputFileTests {
    @Test("a file of the job's user, and nothing else")
    func files() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "output-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "out").path
        try Data([0x61, 0xff, 0x0a]).write(to: URL(fileURLWithPath: file))
        #expect(try OutputFile.read(file, owner: getuid()).text == "a\u{fffd}\n")
        #expect(throws: ResultError.self) { try OutputFile.read(file, owner: getuid() + 1) }
        #expect(throws: ResultError.self) { try OutputFile.read(folder.path, owner: getuid()) }
        #expect(throws: ResultError.self) { try OutputFile.read(file + "x", owner: getuid()) }
        try FileManager.default.createSymbolicLink(atPath: file + "l", withDestinationPath: file)
        #expect(throws: ResultError.self) { try OutputFile.read(file + "l", owner: getuid()) }
        mkfifo(file + "p", 0o600)
        #expect(throws: ResultError.self) { try OutputFile.read(file + "p", owner: getuid()) }
        // 1 GB, of which nearly nothing is on the disk.
        let large = open(file + "g", O_WRONLY | O_CREAT, 0o600)
        ftruncate(large, 1 << 30)
        pwrite(large, "end", 3, 1 << 30)
        close(large)
        let cut = try OutputFile.read(file + "g", owner: getuid())
        #expect(cut.isCut && cut.text.utf8.count == OutputFile.limit + 1 && cut.text.hasSuffix("\0end"))
    }
}
