// SPDX-License-Identifier: GPL-3.0-or-later

internal import GRDB
internal import Support

/// Why a file of the state cannot be opened, read or written, and what to do about it.
public struct DatabaseFault: Sendable, Hashable {
    public enum Kind: Sendable, Hashable {
        /// The agent is ending.
        case closed
        /// What is in it makes no sense.
        case damaged
        /// No space, a read-only file system, a disk that fails. Nothing was written; it may be tried again.
        case full
        /// The file or its folder cannot be used as they are: owner, mode, another program's.
        case unusable
        /// A later release of the agent has written it.
        case newer
        /// Any other failure of SQLite. Nothing was written.
        case failed
    }

    public var kind: Kind
    /// One line, which begins with the path.
    public var words: String

    /// - Parameter error: of `DatabaseFile`, of GRDB, or of a gate that is closed.
    public init(_ error: any Error, path: String) {
        (kind, words) =
            switch error {
            case is ClosingGate.Closed, is CancellationError: (.closed, "\(path): it is closed: the agent is ending")
            case let failure as DatabaseFile.Failure: Self.opening(failure, path)
            case let error as DatabaseError: Self.sqlite(error, path)
            default: (.failed, "\(path): \(error)")
            }
    }

    private static func opening(_ failure: DatabaseFile.Failure, _ path: String) -> (Kind, String) {
        switch failure {
        case .newer(let found, let current):
            (
                .newer,
                "\(path) has format \(found), this release knows formats up to \(current): install the later release again"
            )
        case .cannotSetAside(let why): (.unusable, "\(path) is damaged and cannot be renamed (\(why)): move it away")
        case .foreign: (.unusable, "\(path) is another program's database: move it away")
        }
    }

    private static func sqlite(_ error: DatabaseError, _ path: String) -> (Kind, String) {
        let detail = error.message ?? "SQLite error \(error.resultCode.rawValue)"
        func advice(_ otherwise: String) -> String {
            "\(path): \(detail): \(FileFault.advice(writing: path) ?? otherwise)"
        }
        return switch error.resultCode {
        case .SQLITE_CORRUPT, .SQLITE_NOTADB: (.damaged, "\(path) is damaged (\(detail))")
        case .SQLITE_FULL: (.full, "\(path): \(detail): make room on its file system")
        case .SQLITE_READONLY, .SQLITE_IOERR: (.full, advice("the disk fails: look at dmesg"))
        case .SQLITE_CANTOPEN, .SQLITE_PERM, .SQLITE_AUTH:
            (.unusable, advice("it and its folder must belong to this user"))
        default: (.failed, "\(path): \(detail)")
        }
    }
}
