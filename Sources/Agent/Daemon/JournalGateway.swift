// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import Glibc
internal import JobLifecycle
internal import NIOConcurrencyHelpers
internal import Support

/// Writes every transition of the cluster as a line of JSON to a file, each once, in order; synced before the ledger is
/// told. For tests, and for admins with their own scripts.
///
/// The file has a thread of its own: a disk that hangs holds up the journal, and nobody else.
struct JournalGateway: Gateway {
    let name = "journal"
    let scope = Ledger.Interest.Scope.everything
    let batchLimit = 500

    private let file: JournalFile
    private let thread: BlockingThread
    /// How long the disk may take for one batch.
    private static let patience = Duration.seconds(30)

    init(path: String, clock: any Clock<Duration> = ContinuousClock()) {
        file = JournalFile(path: path)
        thread = BlockingThread(name: "journal", clock: clock)
    }

    /// Of the last line in the file; nil: there is none, or it cannot be read now.
    func lastSequence() async -> Int64? {
        (try? await thread.run(within: .seconds(5)) { [file] in file.lastSequence }) ?? nil
    }

    func deliver(_ transitions: [JobTransition]) async throws(GatewayUnavailable) -> [Delivery] {
        do {
            return try await thread.run(within: Self.patience) { [file] in try file.take(transitions) }
        } catch let error as BlockingThread.Stuck {
            throw GatewayUnavailable("\(file.path): its disk does not answer: \(error)")
        } catch {
            throw GatewayUnavailable("\(error)")
        }
    }
}

/// The journal's file. Blocks; used on one thread.
///
/// A file that was moved away (logrotate) is begun anew. The last line tells where to go on after a crash, since the
/// numbers of all lines grow: it takes each transition in turn, or none. A torn line is cut off.
final class JournalFile: Sendable {
    let path: String
    private let state = NIOLockedValueBox<OpenFile?>(nil)

    private struct OpenFile {
        var descriptor: Int32
        var device: UInt64
        var inode: UInt64
        var lastSequence: Int64
    }

    init(path: String) {
        self.path = path
    }

    deinit {
        if let file = state.withLockedValue({ $0 }) { close(file.descriptor) }
    }

    var lastSequence: Int64? {
        state.withLockedValue { known in
            guard access(path, F_OK) == 0 else { return nil }
            return try? current(&known).lastSequence
        }
    }

    func take(_ transitions: [JobTransition]) throws -> [Delivery] {
        // Nobody else uses the file; the lock says so.
        try state.withLockedValue { known in
            let file = try current(&known)
            var text: [UInt8] = []
            for transition in transitions where transition.sequence > file.lastSequence {
                text += try Self.line(transition)
            }
            if !text.isEmpty { try append(text, to: file) }
            if let last = transitions.last { known?.lastSequence = max(file.lastSequence, last.sequence) }
            return transitions.map { _ in .delivered }
        }
    }

    private static func line(_ transition: JobTransition) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(transition)) + [UInt8(ascii: "\n")]
    }

    private func append(_ text: [UInt8], to file: OpenFile) throws {
        let before = lseek(file.descriptor, 0, SEEK_END)
        var written = 0
        while written < text.count {
            let count = text[written...].withUnsafeBytes { write(file.descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let why = String(cString: strerror(errno))
                // Half a line would never be completed.
                ftruncate(file.descriptor, before)
                throw JournalError(message: "\(path): \(why)")
            }
            written += count
        }
        guard fdatasync(file.descriptor) == 0 else {
            throw JournalError(message: "\(path): cannot be synced: \(String(cString: strerror(errno)))")
        }
    }

    /// The file, opened anew when the path leads to another one now.
    private func current(_ known: inout OpenFile?) throws -> OpenFile {
        var status = stat()
        if let file = known {
            if stat(path, &status) == 0, UInt64(status.st_dev) == file.device, UInt64(status.st_ino) == file.inode {
                return file
            }
            close(file.descriptor)
            known = nil
        }
        let descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o640)
        guard descriptor >= 0, fstat(descriptor, &status) == 0 else {
            let why = String(cString: strerror(errno))
            if descriptor >= 0 { close(descriptor) }
            throw JournalError(message: "\(path): \(why): its folder must exist and belong to this user")
        }
        do {
            let last = try Self.lastSequence(descriptor, size: Int64(status.st_size), path: path)
            let opened = OpenFile(
                descriptor: descriptor, device: UInt64(status.st_dev), inode: UInt64(status.st_ino), lastSequence: last)
            known = opened
            return opened
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// Reads the last whole line; cuts off what comes after it.
    private static func lastSequence(_ descriptor: Int32, size: Int64, path: String) throws -> Int64 {
        guard size > 0 else { return 0 }
        var window: Int64 = 64 * 1024
        while true {
            let from = max(0, size - window)
            var bytes = [UInt8](repeating: 0, count: Int(size - from))
            let count = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, off_t(from)) }
            guard count == bytes.count else { throw JournalError(message: "\(path): cannot be read") }
            guard let end = bytes.lastIndex(of: UInt8(ascii: "\n")) else {
                if from == 0 {
                    ftruncate(descriptor, 0)
                    return 0
                }
                window *= 4
                continue
            }
            let start = bytes[..<end].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 }
            if start == nil, from > 0 {
                window *= 4
                continue
            }
            if end + 1 < bytes.count { ftruncate(descriptor, off_t(from) + end + 1) }
            let line = Data(bytes[(start ?? 0)..<end])
            guard let transition = try? JSONDecoder().decode(JobTransition.self, from: line) else {
                throw JournalError(
                    message: "\(path): its last line is no transition; move the file away and a new one is begun")
            }
            return transition.sequence
        }
    }
}

struct JournalError: Error, CustomStringConvertible {
    var message: String
    var description: String { message }
}
