// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import DeepSquare
internal import Ethereum

extension ValueKind where Value == [Label] {
    static var labels: Self {
        Self(
            form: .pairs, "KEY=VALUE,…", allowed: "pairs KEY=VALUE",
            show: { shown($0.map { "\($0.key)=\($0.value)" }) }
        ) { values throws(Problem) in
            try Pair.read(values, "KEY=VALUE").map { Label(key: $0.name, value: $0.value) }
        }
    }
}

extension ValueKind where Value == [Address: String] {
    static var users: Self {
        Self(
            form: .pairs, "ADDRESS=USER,…", allowed: "pairs ADDRESS=USER",
            show: { shown($0.map { "\($0.checksummed)=\($1)" }.sorted()) }
        ) { values throws(Problem) in
            var users: [Address: String] = [:]
            for (index, pair) in try Pair.read(values, "ADDRESS=USER").enumerated() {
                do throws(Problem) {
                    let address = try ValueKind<Address>.account.read([pair.name])
                    let user = try ValueKind<String>.login.read([pair.value])
                    guard users.updateValue(user, forKey: address) == nil else {
                        throw Problem(description: "\(quoted(pair.name)) is given twice")
                    }
                } catch {
                    throw error.of(index: index)
                }
            }
            return users
        }
    }
}
