// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc

/// A numeric address and a port.
package struct ListenAddress: Equatable, Sendable, CustomStringConvertible {
    package var host: String
    package var port: Int

    /// Reads `10.0.0.1:6821` or `[fd00::1]:6821`. A name would have to be looked up, so it is none.
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        guard digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let port = Int(digits), (1...65_535).contains(port)
        else { return nil }
        var host = text[..<colon]
        var four = in_addr()
        var six = in6_addr()
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
            guard inet_pton(AF_INET6, String(host), &six) == 1 else { return nil }
        } else {
            guard inet_pton(AF_INET, String(host), &four) == 1 else { return nil }
        }
        self.host = String(host)
        self.port = port
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
