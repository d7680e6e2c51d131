// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser
internal import FoundationEssentials
internal import Glibc
internal import Logging
internal import Observability
package import Slurm

package func exitProcess(_ status: Int32) -> Never {
    fflush(nil)
    exit(status)
}

/// Writes a line to standard error; journald is told that it is an error.
package func complain(_ text: String) {
    let mark = JournalStream.isStandardError ? JournalStream.prefix(.error) : ""
    let line = text.split(separator: "\n", omittingEmptySubsequences: false).map { mark + $0 + "\n" }.joined()
    _ = line.withCString { write(STDERR_FILENO, $0, strlen($0)) }
}

extension SlurmError {
    /// The process's exit status for this error, as `--help` documents them.
    package var exitStatus: Int32 {
        switch code {
        case .invalidRequest: 65
        case .notFound: 4
        case .unavailable, .authentication, .accountingUnavailable: 69
        case .timedOut, .cancelled: 75
        case .permissionDenied: 77
        case .configuration: 78
        default: 1
        }
    }
}

/// Runs a command's body; a Slurm error becomes one line on stderr (JSON on stdout when asked for) and a status.
package func reporting(json: Bool, _ body: () async throws -> Void) async throws {
    do {
        try await body()
    } catch let error as SlurmError {
        if json {
            try printJSON(ErrorDocument(error))
        } else {
            complain("slurm-grid-agent: \(error)")
            if error.mayHaveHappened {
                complain("slurm-grid-agent: it may have taken effect all the same; look before you try again")
            }
        }
        throw ExitCode(error.exitStatus)
    }
}

private struct ErrorDocument: Encodable {
    struct Details: Encodable {
        var code: String
        var message: String
        var number: Int32
        var call: String?
        var mayHaveHappened: Bool
    }

    var error: Details

    init(_ error: SlurmError) {
        self.error = Details(
            code: error.code.description, message: error.message, number: error.number, call: error.call,
            mayHaveHappened: error.mayHaveHappened)
    }
}

/// Prints one JSON object (keys in snake case, sorted) and a line end.
package func printJSON(_ value: some Encodable, pretty: Bool = true) throws {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.dateEncodingStrategy = .secondsSince1970
    encoder.outputFormatting =
        pretty ? [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes] : [.sortedKeys, .withoutEscapingSlashes]
    print(String(decoding: try encoder.encode(value), as: UTF8.self))
}
