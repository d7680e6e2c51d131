// SPDX-License-Identifier: GPL-3.0-or-later

public import BigInt

/// Amounts of wei as people read them.
public enum Wei {
    /// Whole coins, or credits, of 10^18: `8.333`, at most six decimals, the rest cut off; what would look like nothing and is
    /// something is `less than 0.000001`.
    public static func text(_ wei: BigUInt) -> String { text(wei, decimals: 18, places: 6) }

    /// The same with every digit: `0.00008`.
    public static func exact(_ wei: BigUInt) -> String { text(wei, decimals: 18, places: 18) }

    /// What a unit of gas costs: `500 gwei`, `0.5 gwei`.
    public static func gwei(_ wei: BigUInt) -> String { text(wei, decimals: 9, places: 9) + " gwei" }

    private static func text(_ wei: BigUInt, decimals: Int, places: Int) -> String {
        let (whole, rest) = wei.quotientAndRemainder(dividingBy: BigUInt(10).power(decimals))
        let digits = "\(rest)"
        let shown = (String(repeating: "0", count: decimals - digits.count) + digits).prefix(places)
        guard let last = shown.lastIndex(where: { $0 != "0" }) else {
            guard whole == 0, rest > 0 else { return "\(whole)" }
            return "less than 0." + String(repeating: "0", count: places - 1) + "1"
        }
        return "\(whole).\(shown[...last])"
    }
}
