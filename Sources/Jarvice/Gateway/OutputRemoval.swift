// SPDX-License-Identifier: GPL-3.0-or-later

public import Logging
public import ServiceLifecycle

/// Removes what jobs left, some time after their end. What cannot be done now is tried again; one job that never lets it be done
/// holds up the others for so long only.
public struct OutputRemoval: Service {
    private let gateway: JarviceGateway
    private let logger: Logger
    private let clock: any Clock<Duration>

    static let pause = Duration.seconds(60)

    public init(gateway: JarviceGateway, logger: Logger, clock: any Clock<Duration> = ContinuousClock()) {
        self.gateway = gateway
        self.logger = logger
        self.clock = clock
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do throws(JarviceError) {
                    if try await gateway.removeOutputs() { continue }
                } catch {
                    logger.warning("JARVICE: what jobs left is not removed now", metadata: ["why": "\(error)"])
                }
                try? await clock.sleep(for: Self.pause)
            }
        }
    }
}
