// SPDX-License-Identifier: GPL-3.0-or-later

internal import AdminHTTP
internal import AgentSettings
internal import FoundationEssentials
internal import Glibc
internal import Jarvice
internal import NIOSSL
internal import Support
internal import TLSClient

/// What the gateway reads from files, once.
struct JarviceFiles: Sendable {
    var settings: JarviceSettings
    var access: ServerAccess
    var tls: TLSConfiguration?
    var jobsTLS: TLSConfiguration?
    var mapHasKeys = false

    /// Blocks.
    /// - Throws: `Patience.Trouble`, naming the key.
    init(_ jarvice: JarviceConfiguration) throws {
        settings = jarvice.settings
        settings.tokens.algorithms = Set(jarvice.algorithms)
        settings.tokens.keys = jarvice.keys.map { $0.hasPrefix("/") ? .file($0) : .url($0) }
        settings.users = .claim(jarvice.claim)
        if let path = jarvice.mapFile {
            let mapping = try Self.mapping(path)
            settings.users = .mapping(mapping)
            mapHasKeys = mapping.hasKeys
        }
        access = ServerAccess(key: try Self.serverKey(jarvice))
        tls = try jarvice.ownCertificate.map { try $0.checked("jarvice.tls") }
        settings.jobsDomain = jarvice.takesInteractive ? jarvice.jobsDomain : nil
        if settings.jobsDomain != nil {
            jobsTLS = try jarvice.jobsCertificate.map { try $0.checked("jarvice.jobs.tls") }
        }
    }

    private static func serverKey(_ jarvice: JarviceConfiguration) throws -> String? {
        guard let path = jarvice.serverKeyFile else { return jarvice.serverKey }
        do throws(AdminToken.Problem) {
            let text = String(decoding: try AdminToken(file: path).bytes, as: UTF8.self)
            guard text.contains(":") else {
                throw AdminToken.Problem(description: "\(path): is not USER:PASSWORD, one line")
            }
            return text
        } catch {
            throw Patience.Trouble(description: "jarvice.server-key-file: \(error)")
        }
    }

    static func mapping(_ path: String) throws -> UserMapping {
        let text: String
        do throws(AgentConfiguration.Problem) {
            text = try ConfigurationFile.read(path, missing: "write it, or remove the key") {
                status throws(AgentConfiguration.Problem) in
                if let trouble = UserMapFile.trouble(
                    path, owner: status.st_uid, mode: status.st_mode, user: geteuid())
                {
                    throw AgentConfiguration.Problem(description: trouble)
                }
            }
        } catch {
            throw Patience.Trouble(description: "jarvice.users.map-file: \(error.description)")
        }
        do throws(UserMapping.Malformed) {
            return try UserMapping(yaml: text)
        } catch {
            throw Patience.Trouble(description: "jarvice.users.map-file: \(path) \(error)")
        }
    }
}
