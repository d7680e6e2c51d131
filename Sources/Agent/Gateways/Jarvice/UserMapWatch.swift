// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
internal import Jarvice
internal import Logging
internal import NIOConcurrencyHelpers
internal import NIOPosix
internal import ServiceLifecycle
internal import Support

/// Reads the user map again when its file is another one. One that cannot be read changes nothing, and is told.
struct UserMapWatch: Service {
    let path: String
    let logger: Logger
    let clock: any Clock<Duration>
    /// nil: it is well.
    let onTrouble: @Sendable (String?) -> Void
    let onChange: @Sendable (UserMapping) -> Void
    private let seen: NIOLockedValueBox<[Int]?>

    private static let pause = Duration.seconds(10)

    init(
        path: String, logger: Logger, clock: any Clock<Duration> = ContinuousClock(),
        onTrouble: @escaping @Sendable (String?) -> Void, onChange: @escaping @Sendable (UserMapping) -> Void
    ) {
        self.path = path
        self.logger = logger
        self.clock = clock
        self.onTrouble = onTrouble
        self.onChange = onChange
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
        let now = Self.identity(path)
        let isKnown = seen.withLockedValue { seen in
            defer { seen = now }
            return seen == now
        }
        guard !isKnown else { return }
        do {
            onChange(try JarviceFiles.mapping(path))
            onTrouble(nil)
        } catch {
            let why = (error as? Patience.Trouble)?.description ?? "\(error)"
            onTrouble("\(why); the map that was read before stays in force")
            logger.error("JARVICE: the user map cannot be read again", metadata: ["why": "\(why)"])
        }
    }

    /// Empty: there is none.
    private static func identity(_ path: String) -> [Int] {
        var status = stat()
        guard stat(path, &status) == 0 else { return [] }
        return [
            Int(bitPattern: UInt(status.st_dev)), Int(bitPattern: UInt(status.st_ino)), Int(status.st_size),
            status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec,
        ]
    }
}
