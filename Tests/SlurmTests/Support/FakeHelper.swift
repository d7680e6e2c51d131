// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import Glibc
import Synchronization

@testable import Slurm

/// A shell script in place of the helper program, in a file of its own while it lives.
final class FakeHelper: Sendable {
    let program: SlurmHelper.Program

    init(_ script: String) throws {
        let path = "/tmp/slurm-grid-agent-test-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
        // A child of another test that has it open for writing would make it "text file busy".
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o755)
        guard descriptor >= 0 else { throw POSIXFailure(number: errno) }
        program = SlurmHelper.Program(path: path)
        let text = Array("#!/bin/sh\n\(script)\n".utf8)
        let written = write(descriptor, text, text.count)
        close(descriptor)
        guard written == text.count else { throw POSIXFailure(number: errno) }
    }

    deinit {
        unlink(program.path)
    }

    struct POSIXFailure: Error {
        var number: Int32
    }

    /// Runs the script; returns what it printed with how it ended.
    func run(
        timeout: Duration = .seconds(50), answering answers: [String: String] = [:], file: String? = nil
    ) async throws(SlurmError) -> (lines: [String], result: HelperProcess.Result) {
        let lines = Lines()
        let result = try await HelperProcess(program: program, task: .probe, configurationFile: file)
            .run(timeout: timeout) { line, send in
                lines.add(line)
                if let answer = answers[line] { try await send(answer) }
            }
        return (lines.all, result)
    }
}

/// Lines as they came.
final class Lines: Sendable {
    private let lines = Mutex<[String]>([])

    var all: [String] { lines.withLock { $0 } }

    func add(_ line: String) {
        lines.withLock { $0.append(line) }
    }
}
