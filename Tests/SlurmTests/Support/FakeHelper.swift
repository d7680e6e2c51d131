// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import Glibc
import Synchronization

@testable import Slurm

/// A shell script in place of the helper program, in a file of its own while it lives.
final class FakeHelper: Sendable {
    let program: SlurmHelper.Program

    init(_ script: String) throws {
        var template = Array("/tmp/slurm-grid-agent-test-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw POSIXFailure(number: errno) }
        let path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        program = SlurmHelper.Program(path: path)
        let text = Array("#!/bin/sh\n\(script)\n".utf8)
        let written = write(descriptor, text, text.count)
        fchmod(descriptor, 0o755)
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
