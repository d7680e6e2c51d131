// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import FoundationEssentials
internal import GRPCCore
internal import GRPCNIOTransportHTTP2Posix
internal import Logging
internal import SwiftProtobuf

/// Writes lines into a job's log, where its customer reads them. Best effort: nothing depends on it.
struct GridLogger: Sendable {
    let settings: GridSettings
    let logger: Logger

    static let timeout = Duration.seconds(5)

    /// Where a log goes, if the address that the sbatch service gave may be used: it is the configured one, or lies under the
    /// sbatch endpoint's domain. Nothing from outside picks an address to connect to.
    static func endpoint(_ told: String?, _ settings: GridSettings) -> ServiceEndpoint? {
        guard let told, !told.isEmpty else { return settings.gridLogger }
        guard let endpoint = ServiceEndpoint(told) else { return nil }
        if endpoint == settings.gridLogger { return endpoint }
        let own = settings.sbatch.host
        // The service itself, or a neighbour: logger.deepsquare.run beside sbatch.deepsquare.run.
        if endpoint.host == own { return endpoint }
        let isName = own.contains { $0.isLetter } && !own.contains(":")
        guard isName, let dot = own.firstIndex(of: ".") else { return nil }
        let domain = own[own.index(after: dot)...]
        // The domain of a two-part name would be a whole top-level one; so is co.uk and its like.
        let labels = domain.split(separator: ".")
        let isPublic = labels.count < 2 || (labels.count == 2 && labels[0].count <= 3)
        let parent = isPublic ? own : String(domain)
        return endpoint.host.hasSuffix("." + parent) ? endpoint : nil
    }

    /// - Parameter told: the service's address as the sbatch service gave it; nil: the configured one.
    func write(_ lines: [String], job: Hash32, customer: Address, told: String?) async {
        guard let endpoint = Self.endpoint(told, settings) else {
            if let told, !told.isEmpty {
                logger.warning(
                    "the sbatch service names a grid logger that is not configured; nothing is sent there",
                    metadata: ["job": "\(job)", "service": "\(told.prefix(100))", "key": "grid-logger.endpoint"])
            }
            return
        }
        let name = job.description
        let user = customer.hex
        do {
            let transport = try GridTransport.make(endpoint, settings.security)
            try await GridTransport.with(transport) { client in
                var options = CallOptions.defaults
                options.timeout = Self.timeout
                let service = Logger_V1alpha1_LoggerAPI.Client(wrapping: client)
                try await service.write(options: options) { writer in
                    for line in lines {
                        var request = Logger_V1alpha1_WriteRequest()
                        request.logName = name
                        request.user = user
                        request.data = Data(line.utf8)
                        request.timestamp = Int64(Date().timeIntervalSince1970 * 1e9)
                        try await writer.write(request)
                    }
                } onResponse: { response in
                    _ = try response.message
                }
            }
        } catch {
            logger.notice(
                "the customer's log could not be written",
                metadata: ["job": "\(name)", "service": "\(endpoint)", "why": "\(GridTransport.words(error))"])
        }
    }
}
