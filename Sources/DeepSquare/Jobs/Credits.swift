// SPDX-License-Identifier: GPL-3.0-or-later

internal import BigInt

enum Credits {
    /// The contract's `Credit` has 18 decimals (contract facts, section 1).
    private static let decimals = 18

    /// Wei of credits for people: `8.333`, at most six decimals, the rest cut off.
    static func text(_ wei: BigUInt) -> String {
        let (whole, rest) = wei.quotientAndRemainder(dividingBy: BigUInt(10).power(decimals))
        let digits = "\(rest)"
        let shown = (String(repeating: "0", count: decimals - digits.count) + digits).prefix(6)
        guard let last = shown.lastIndex(where: { $0 != "0" }) else {
            return whole == 0 && rest > 0 ? "less than 0.000001" : "\(whole)"
        }
        return "\(whole).\(shown[...last])"
    }
}
