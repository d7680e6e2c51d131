// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
internal import Logging
internal import NIOConcurrencyHelpers
internal import NIOPosix
internal import ServiceLifecycle
internal import Support

/// Reads files again when one of them is another one. What cannot be read changes nothing, and is told.
struct FileWatch: Service {
    let paths: [String]
    /// What they are, in one word.
    let name: String
    let logger: Logger
    let clock: any Clock<Duration>
    /// nil: it is well.
    let onTrouble: @Sendable (String?) -> Void
    /// Reads them, and blocks.
    let read: @Sendable () throws -> Void
    private let seen: NIOLockedValueBox<[Int]?>

    private static let pause = Duration.seconds(10)

    init(
        paths: [String], name: String, logger: Logger, clock: any Clock<Duration> = ContinuousClock(),
        onTrouble: @escaping @Sendable (String?) -> Void, read: @escaping @Sendable () throws -> Void
    ) {
        self.paths = paths
        self.name = name
        self.logger = logger
        self.clock = clock
        self.onTrouble = onTrouble
        self.read = read
        // What is read first is what it was opened with, whatever has become of it since.
        seen = NIOLockedValueBox(nil)
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                try? await NIOThreadPool.singleton.runIfActive { look() }
                try? await clock.sleep(for: Self.pause)
            }
        }
    }

    /// Blocks.
    func look() {
        let now = paths.flatMap(Self.identity)
        let isKnown = seen.withLockedValue { seen in
            defer { seen = now }
            return seen == now
        }
        guard !isKnown else { return }
        do {
            try read()
            onTrouble(nil)
        } catch {
            let why = (error as? Patience.Trouble)?.description ?? "\(error)"
            onTrouble("\(why); the \(name) that was read before stays in force")
            logger.error("a changed \(name) cannot be read", metadata: ["why": "\(why)"])
        }
    }

    /// Which file is there, and when it was written; a single number: there is none.
    static func identity(_ path: String) -> [Int] {
        var status = stat()
        guard stat(path, &status) == 0 else { return [0] }
        return [
            Int(bitPattern: UInt(status.st_dev)), Int(bitPattern: UInt(status.st_ino)), Int(status.st_size),
            status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec,
        ]
    }
}
