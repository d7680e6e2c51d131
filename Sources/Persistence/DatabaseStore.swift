// SPDX-License-Identifier: GPL-3.0-or-later

package import GRDB
package import Support

/// A store over one of the state's files: what it reads and writes, until it is closed, with errors in its own type.
package protocol DatabaseStore: Sendable {
    associatedtype Failure: Error

    var path: String { get }
    var queue: DatabaseQueue { get }
    var gate: ClosingGate { get }

    /// The store's own error for a fault of the file.
    static func failure(_ fault: DatabaseFault) -> Failure
}

extension DatabaseStore {
    package func read<Answer: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Answer
    ) async throws(Failure) -> Answer {
        do {
            return try await gate.use { [queue] in try await queue.read(body) }
        } catch {
            throw Self.translate(error, path: path)
        }
    }

    /// In one transaction. It is on the disk when this returns.
    package func write<Answer: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Answer
    ) async throws(Failure) -> Answer {
        do {
            return try await gate.use { [queue] in try await queue.write(body) }
        } catch {
            throw Self.translate(error, path: path)
        }
    }

    package static func translate(_ error: any Error, path: String) -> Failure {
        (error as? Failure) ?? failure(DatabaseFault(error, path: path))
    }

    /// Closes the file once what is under way is done; all else fails from now on.
    package func closeFile() {
        gate.close { [queue] in try? queue.close() }
    }
}
