// SPDX-License-Identifier: GPL-3.0-or-later

internal import ClusterBenchmarks
internal import Glibc
internal import Logging
internal import NIOConcurrencyHelpers
internal import NIOPosix
internal import ServiceLifecycle
internal import Sockets
internal import Support
internal import TLSClient

/// What is open of benchmarks.
struct BenchmarkRunning: Sendable {
    let runner: BenchmarkRunner
    /// nil: results come through a folder.
    let door: BenchmarkDoor?
}

/// Where jobs post their results, and by which certificate.
struct BenchmarkDoor: Sendable {
    static let key = "grpc.listen-address"
    /// In the state folder.
    static let ownCertificate = "benchmark.pem"

    /// Why nobody can post, or a certificate cannot be read.
    final class State: Sendable {
        private let state = NIOLockedValueBox<(door: String?, certificate: String?, isOpen: Bool)>((nil, nil, false))

        /// - Parameter why: nil: it is open.
        func tell(_ why: String?) { state.withLockedValue { ($0.door, $0.isOpen) = (why, why == nil) } }
        func note(_ why: String?) { state.withLockedValue { $0.certificate = why } }
        var now: (troubles: [String], isOpen: Bool) {
            state.withLockedValue { ([$0.door, $0.certificate].compactMap { $0 }, $0.isOpen) }
        }
    }

    let posting: BenchmarkOptions.Posting
    let address: DoorAddress
    /// nil: something before the agent speaks TLS.
    let certificate: CertificateInForce?
    /// The configured one, which may change.
    let files: ServerCertificate?
    let state = State()

    /// - Returns: nil: nothing is posted.
    /// - Throws: `Patience.Trouble`, naming the key.
    static func open(_ context: GatewayContext) async throws -> BenchmarkDoor? {
        guard let host = context.configuration.benchmarkEndpoint else { return nil }
        let endpoint = context.configuration.supervisorEndpoint
        let folder = context.folder
        return try await NIOThreadPool.singleton.runIfActive { try BenchmarkDoor(endpoint, host, folder) }
    }

    /// Blocks.
    private init(_ endpoint: SupervisorEndpoint, _ host: (host: String, address: String), _ folder: String) throws {
        address = .tcp(host: endpoint.listenAddress.host, port: endpoint.listenAddress.port)
        guard endpoint.usesTLS else {
            (certificate, files) = (nil, nil)
            posting = .init(address: host.address, certificates: nil, trustsNodes: true)
            return
        }
        if let chain = endpoint.certificateFile, let key = endpoint.keyFile {
            let files = ServerCertificate(chain: chain, key: key)
            self.files = files
            certificate = try CertificateInForce(try files.checked("tls"))
            posting = .init(
                address: host.address, certificates: try Self.certificates(chain), trustsNodes: true)
            return
        }
        files = nil
        let path = folder + "/" + Self.ownCertificate
        let own: OwnCertificate
        do throws(BenchmarkError) {
            own = try OwnCertificate(path: path, host: host.host)
        } catch {
            throw Patience.Trouble(description: error.description)
        }
        certificate = try CertificateInForce(
            try ServerCertificate(chain: path, key: path).checked("public-address"))
        posting = .init(address: host.address, certificates: own.certificate, trustsNodes: false)
    }

    /// The certificates of a file, and nothing else of it: they become part of a script.
    private static func certificates(_ path: String) throws -> String {
        do throws(TLSClientError) {
            return try CertificateBundle(path: path).pem
        } catch {
            throw Patience.Trouble(description: "tls.cert-file: \(error)")
        }
    }

    func services(_ runner: BenchmarkRunner, _ logger: Logger) -> [any Service] {
        let state = state
        var services: [any Service] = [
            ResultEndpoint(
                .init(address: address, certificate: certificate), runner: runner, logger: logger,
                onTrouble: { state.tell($0) })
        ]
        if let files, let certificate {
            services.append(
                FileWatch(
                    paths: [files.chain, files.key], name: "certificate of tls.cert-file", logger: logger,
                    onTrouble: { state.note($0) },
                    read: { try certificate.change(try files.checked("tls")) }))
        }
        return services
    }
}
