// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials
internal import Glibc
internal import JobLifecycle
internal import NIOConcurrencyHelpers
internal import Support

/// The journal's file. Blocks; used on one thread.
///
/// Where a file was moved away (logrotate) a new one is begun. The last line tells where to go on after a crash, since the
/// numbers of all lines grow: it takes each transition in turn, or none. Half a line at the end is cut off; where that cannot
/// be done (`chattr +a`), it is ended, so that no reader ever finds two transitions in one line.
final class JournalFile: Sendable {
    /// The calls that a disk can fail.
    struct Calls: Sendable {
        var write: @Sendable (Int32, UnsafeRawPointer?, Int) -> Int = { Glibc.write($0, $1, $2) }
        var truncate: @Sendable (Int32, Int64) -> Int32 = { ftruncate($0, off_t($1)) }
        var sync: @Sendable (Int32) -> Int32 = { fdatasync($0) }
    }

    let path: String
    private let calls: Calls
    private let state = NIOLockedValueBox<OpenFile?>(nil)

    private struct OpenFile {
        var descriptor: Int32
        var device: UInt64
        var inode: UInt64
        var end: End
    }

    /// What a file that is opened ends with.
    private struct End {
        var lastSequence: Int64
        /// Half a line that could not be cut off.
        var isTorn = false
        /// A process that was killed, or a disk that failed, may have left it unsynced.
        var isSynced = false
    }

    init(path: String, calls: Calls = Calls()) {
        self.path = path
        self.calls = calls
    }

    deinit {
        if let file = state.withLockedValue({ $0 }) { close(file.descriptor) }
    }

    /// The number of the last line; nil: there is no file, or it cannot be read.
    var lastSequence: Int64? {
        state.withLockedValue { known -> Int64? in
            guard access(path, F_OK) == 0 else { return nil }
            return try? current(&known).end.lastSequence
        }
    }

    func take(_ transitions: [JobTransition]) throws -> [Delivery] {
        // Nobody else uses the file; the lock says so.
        try state.withLockedValue { known in
            let file = try current(&known)
            var text: [UInt8] = []
            for transition in transitions where transition.sequence > file.end.lastSequence {
                text += try Self.line(transition)
            }
            do {
                if !text.isEmpty {
                    try append(text, to: file)
                } else if !file.end.isSynced {
                    try sync(file, cutTo: nil)
                }
            } catch {
                // What it ends with now is read again.
                close(file.descriptor)
                known = nil
                throw error
            }
            let last = max(file.end.lastSequence, transitions.last?.sequence ?? 0)
            known?.end = End(lastSequence: last, isTorn: file.end.isTorn && text.isEmpty, isSynced: true)
            return transitions.map { _ in .delivered }
        }
    }

    private static func line(_ transition: JobTransition) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(transition)) + [newline]
    }

    private static let newline = UInt8(ascii: "\n")

    private func append(_ lines: [UInt8], to file: OpenFile) throws {
        let text = file.end.isTorn ? [Self.newline] + lines : lines
        let before = Int64(lseek(file.descriptor, 0, SEEK_END))
        var written = 0
        while written < text.count {
            let count = text[written...].withUnsafeBytes { calls.write(file.descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let why = String(cString: strerror(errno))
                // Half a line would never be completed. If this fails too, the next opening sees to it.
                _ = calls.truncate(file.descriptor, before)
                throw JournalError(message: "\(path): \(why)")
            }
            written += count
        }
        try sync(file, cutTo: before)
    }

    /// - Parameter size: to be cut back to when it fails: what could not be synced once is not written by a second try
    ///   (fsync(2), "Errors"), so it has to be new then.
    private func sync(_ file: OpenFile, cutTo size: Int64?) throws {
        if calls.sync(file.descriptor) == 0 { return }
        let why = String(cString: strerror(errno))
        if let size { _ = calls.truncate(file.descriptor, size) }
        throw JournalError(message: "\(path): cannot be synced: \(why)")
    }

    /// The file, opened again when the path leads to another one now.
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
            let advice = FileFault.advice(writing: path) ?? "its folder must exist and belong to this user"
            throw JournalError(message: "\(path): \(why): \(advice)")
        }
        do {
            let opened = OpenFile(
                descriptor: descriptor, device: UInt64(status.st_dev), inode: UInt64(status.st_ino),
                end: try end(descriptor, size: Int64(status.st_size)))
            known = opened
            return opened
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// Reads the last whole line; cuts off what comes after it.
    private func end(_ descriptor: Int32, size: Int64) throws -> End {
        var window: Int64 = 64 * 1024
        while size > 0 {
            let from = max(0, size - window)
            let bytes = try read(descriptor, from: from, to: size)
            var lines = bytes.split(separator: Self.newline, omittingEmptySubsequences: false)
            // Empty, if it ends as it should.
            let half = lines.removeLast()
            let last = try lastTransition(lines, isWhole: from == 0)
            if last != nil || from == 0 {
                let isTorn = !half.isEmpty && calls.truncate(descriptor, size - Int64(half.count)) != 0
                return End(lastSequence: last ?? 0, isTorn: isTorn)
            }
            window *= 4
        }
        return End(lastSequence: 0)
    }

    /// - Parameter isWhole: the first line is whole.
    /// - Returns: nil when there is none.
    private func lastTransition(_ lines: [ArraySlice<UInt8>], isWhole: Bool) throws -> Int64? {
        for (index, line) in lines.enumerated().reversed() where index > 0 || isWhole {
            if line.isEmpty { continue }
            if let transition = try? JSONDecoder().decode(JobTransition.self, from: Data(line)) {
                return transition.sequence
            }
            // Half a line that was ended is one of ours; of a file of somebody else's nothing is believed.
            guard line.starts(with: Self.beginning) else {
                throw JournalError(
                    message: "\(path): its last line is no transition; move the file away and a new one is begun")
            }
        }
        return nil
    }

    private static let beginning = Array("{\"".utf8)

    private func read(_ descriptor: Int32, from start: Int64, to end: Int64) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(end - start))
        let count = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, off_t(start)) }
        guard count == bytes.count else { throw JournalError(message: "\(path): cannot be read") }
        return bytes
    }
}

struct JournalError: Error, CustomStringConvertible {
    var message: String
    var description: String { message }
}
