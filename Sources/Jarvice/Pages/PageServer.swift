// SPDX-License-Identifier: GPL-3.0-or-later

public import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore
public import ServiceLifecycle
public import Sockets
public import TLSClient

/// Where users open the pages of interactive jobs: a reverse proxy for HTTP/1.1 and WebSockets.
public struct PageServer: Service {
    public struct Settings: Sendable {
        public var address: DoorAddress
        public var domain: JobsDomain
        /// Open at once; each takes two descriptors.
        public var connections = 12_000
        public var retry: Duration = .seconds(10)
        var deadlines = PageFront.Deadlines()
        /// For one more connection to a job.
        var room: @Sendable () -> DescriptorLimit.Room = DescriptorLimit.current.room

        public init(address: DoorAddress, domain: JobsDomain) {
            self.address = address
            self.domain = domain
        }
    }

    typealias Listener = SocketListener<ByteBuffer, ByteBuffer>

    private let settings: Settings
    private let certificate: CertificateInForce?
    private let pages: any JobPages
    private let logger: Logger
    private let onTrouble: @Sendable (String?) -> Void

    /// - Parameters:
    ///   - certificate: nil: no TLS.
    ///   - onTrouble: told why nobody can come in, and nil when they can.
    public init(
        _ settings: Settings, certificate: CertificateInForce?, gateway: JarviceGateway, logger: Logger,
        onTrouble: @escaping @Sendable (String?) -> Void = { _ in }
    ) {
        self.init(settings, certificate: certificate, pages: gateway, logger: logger, onTrouble: onTrouble)
    }

    init(
        _ settings: Settings, certificate: CertificateInForce?, pages: any JobPages, logger: Logger,
        onTrouble: @escaping @Sendable (String?) -> Void = { _ in }
    ) {
        self.settings = settings
        self.certificate = certificate
        self.pages = pages
        self.logger = logger
        self.onTrouble = onTrouble
    }

    /// Ends at once when the daemon does: what is under way is cut.
    public func run() async throws {
        var listening = Listener.Settings()
        // Each has a second one, to the job's node.
        let limit = DescriptorLimit.current
        listening.connections = min(settings.connections, max(16, (limit.limit - 2 * limit.reserve) / 2))
        listening.backlog = 1024
        listening.retry = settings.retry
        let places = NIOLockedValueBox<[ObjectIdentifier: Listener.Place]>([:])
        var site = PageFront.Site(
            domain: settings.domain, pages: pages, scheme: settings.domain.scheme, deadlines: settings.deadlines)
        site.room = settings.room
        site.onTrusted = { channel in places.withLockedValue { $0[ObjectIdentifier(channel)] }?.trust() }
        site.onFailure = { [logger] jobID, why in
            logger.warning("JARVICE: a job's page cannot be had", metadata: ["slurm": "\(jobID)", "why": "\(why)"])
        }
        let listener = Listener(
            settings.address, settings: listening,
            initializer: { [certificate, site] channel in
                channel.eventLoop.makeCompletedFuture {
                    try PagePipeline.set(up: channel, tls: certificate?.current, site)
                    return AcceptedConnection(try NIOAsyncChannel(wrappingChannelSynchronously: channel))
                }
            }, report: heard)
        await cancelWhenGracefulShutdown {
            await listener.run { connection, place in
                let key = ObjectIdentifier(connection.underlying)
                places.withLockedValue { $0[key] = place }
                defer { places.withLockedValue { $0[key] = nil } }
                // Its handlers do everything, and pass nothing on: here is only waited for its end.
                await connection.serve { channel in
                    try? await channel.executeThenClose { inbound, _ in for try await _ in inbound {} }
                }
            }
        }
    }

    private func heard(_ event: Listener.Event) {
        switch event {
        case .listening:
            onTrouble(nil)
            logger.notice("JARVICE: listening for users of jobs", metadata: ["address": "\(settings.address)"])
        case .failed(let reason):
            onTrouble(reason)
            logger.error(
                "JARVICE: cannot listen for users of jobs; it is tried again",
                metadata: ["address": "\(settings.address)", "why": "\(reason)"])
        case .starved(let reason):
            onTrouble(reason)
            logger.error(
                "JARVICE: no user can open a job's page",
                metadata: ["address": "\(settings.address)", "why": "\(reason)"])
        case .fed: onTrouble(nil)
        case .vanished, .refused, .replaced: break
        }
    }
}
