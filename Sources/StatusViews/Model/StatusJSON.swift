// SPDX-License-Identifier: GPL-3.0-or-later

package import FoundationEssentials

/// JSON as the control socket and the admin server write it: keys in snake case, sorted. Beside the agent's own fields a status has
/// those of the gateways that are named here.
package enum StatusJSON {
    package static func encoder(_ gateways: [any ShownGateway]) -> JSONEncoder {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if let key = AllGatewaySections.typesKey { encoder.userInfo[key] = gateways.compactMap(\.statusSection) }
        return encoder
    }

    package static func decoder(_ gateways: [any ShownGateway]) -> JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        if let key = AllGatewaySections.typesKey { decoder.userInfo[key] = gateways.compactMap(\.statusSection) }
        return decoder
    }
}
