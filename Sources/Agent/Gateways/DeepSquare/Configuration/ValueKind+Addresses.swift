// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import DeepSquare
internal import Ethereum

extension ValueKind where Value == ServiceEndpoint {
    static var endpoint: Self {
        Self("HOST:PORT", allowed: "HOST:PORT") { text throws(Problem) in
            guard let endpoint = ServiceEndpoint(text) else {
                throw Problem(
                    description: "\(quoted(text)) is no HOST:PORT such as sbatch.example.com:443, without https://")
            }
            return endpoint
        }
    }

    /// Where to listen: as Go writes it, `:PORT` is every address.
    static var listenEndpoint: Self {
        Self("[HOST]:PORT", allowed: "[HOST]:PORT") { text throws(Problem) in
            guard let endpoint = ServiceEndpoint(text.hasPrefix(":") ? "[::]" + text : text) else {
                throw Problem(description: "\(quoted(text)) is no [HOST]:PORT such as :3000 or 10.0.0.1:3000")
            }
            return endpoint
        }
    }
}

extension ValueKind where Value == RPCEndpoint {
    static var http: Self {
        Self("URL", allowed: "http:// or https:// address", show: \.shown) { text throws(Problem) in
            try endpoint(text, RPCEndpoint.init(http:))
        }
    }

    static var webSocket: Self {
        Self("URL", allowed: "ws:// or wss:// address", show: \.shown) { text throws(Problem) in
            try endpoint(text, RPCEndpoint.init(webSocket:))
        }
    }

    private static func endpoint(
        _ text: String, _ make: (String) throws(RPCEndpoint.Malformed) -> RPCEndpoint
    ) throws(Problem) -> RPCEndpoint {
        do throws(RPCEndpoint.Malformed) {
            return try make(text)
        } catch {
            throw Problem(description: error.description)
        }
    }
}

extension ValueKind where Value == Address {
    /// With or without 0x, as Go's library has it; a checksum must be right, though.
    static var account: Self {
        Self("ADDRESS", allowed: "address", show: \.checksummed) { text throws(Problem) in
            let digits = text.hasPrefix("0x") || text.hasPrefix("0X") ? text.dropFirst(2) : Substring(text)
            guard let address = Address(hex: "0x" + digits) else {
                throw Problem(
                    description:
                        "\(quoted(text)) is no address, or its checksum is wrong; 0x and 40 hexadecimal digits are one")
            }
            return address
        }
    }
}

extension ValueKind where Value == Set<Address> {
    static var accounts: Self {
        let kind = ValueKind<[Address]>.list(.account)
        return Self(
            form: .list, kind.placeholder, allowed: kind.allowed,
            show: { kind.show($0.sorted { $0.hex < $1.hex }) }
        ) { values throws(Problem) in Set(try kind.read(values)) }
    }
}
