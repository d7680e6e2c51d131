// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import BigInt

extension ValueKind where Value == BigUInt {
    /// Beyond 64 bits, up to the 256 of the chain.
    static var wei: Self {
        Self("WEI", allowed: "wei") { text throws(Problem) in
            guard !text.isEmpty, text.utf8.count <= 78, text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
                let number = BigUInt(text), number.bitWidth <= 256
            else {
                throw Problem(description: "\(quoted(text)) is no amount in wei: digits only, less than 2^256")
            }
            return number
        }
    }

    /// `25gwei`, or wei.
    static var gasPrice: Self {
        Self(
            "WEI|NUMBERgwei", allowed: "wei, or gwei with that suffix",
            show: {
                let (gwei, rest) = $0.quotientAndRemainder(dividingBy: 1_000_000_000)
                return rest == 0 ? "\(gwei)gwei" : "\($0)"
            }
        ) { text throws(Problem) in
            let isGwei = text.hasSuffix("gwei")
            let digits = isGwei ? text.dropLast(4) : Substring(text)
            guard digits.utf8.count <= 40, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
                let number = BigUInt(digits), number > 0
            else { throw Problem(description: "\(quoted(text)) is no amount such as 25gwei or 25000000000") }
            return isGwei ? number * 1_000_000_000 : number
        }
    }
}
