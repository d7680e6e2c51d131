// SPDX-License-Identifier: GPL-3.0-or-later

public import BigInt

/// Which fee a transaction gets, and which one its replacement.
struct FeePolicy: Hashable, Sendable {
    var ceiling: BigUInt
    var minimumTip: BigUInt
    var legacyOnly: Bool
    /// A replacement pays at most this many times what a new transaction would.
    var marketLimit = 5

    /// For a new transaction: twice the base fee stays enough for six full blocks in a row. Never above the ceiling.
    func initial(_ market: FeeMarket) -> Fee {
        if let base = market.baseFee, !legacyOnly {
            let tip = max(market.tip, minimumTip)
            let cap = min(ceiling, base * 2 + tip)
            return .dynamic(tip: min(tip, cap), cap: cap)
        }
        return .legacy(price: min(ceiling, max(market.gasPrice, minimumTip)))
    }

    /// What the replacement of a transaction may be.
    enum Replacement: Hashable, Sendable {
        case fee(Fee)
        /// The ceiling leaves no room for one that a node would take.
        case aboveCeiling
        /// It pays several times the market's price already: that is not what keeps it.
        case aboveMarket
    }

    /// For the replacement of a transaction: one eighth more, where nodes ask for a tenth, or what the market asks for
    /// now, if that is more; never above the ceiling, nor above `marketLimit` times the market unless `anyFee`.
    func replacement(of fee: Fee, _ market: FeeMarket, anyFee: Bool = false) -> Replacement {
        let now = initial(market)
        let limit = anyFee ? ceiling : min(ceiling, now.cap * BigUInt(max(1, marketLimit)))
        let refusal: Replacement = limit < ceiling ? .aboveMarket : .aboveCeiling
        switch (fee, now) {
        case (.dynamic(let tip, let cap), .dynamic(let tipNow, let capNow)):
            let newCap = min(limit, max(raised(cap), capNow))
            let newTip = min(newCap, max(raised(tip), tipNow))
            guard isEnough(newCap, cap), isEnough(newTip, tip) else { return refusal }
            return .fee(.dynamic(tip: newTip, cap: newCap))
        case (let old, .legacy(let priceNow)), (let old, .dynamic(_, let priceNow)):
            // A node that takes one kind only: both of its limits count as the price.
            let price = min(limit, max(raised(old.cap), priceNow))
            guard isEnough(price, old.cap) else { return refusal }
            return .fee(legacyOnly || market.baseFee == nil ? .legacy(price: price) : .dynamic(tip: price, cap: price))
        }
    }

    /// It offers less than what is asked for now, so that nobody puts it into a block.
    func isOutbid(_ fee: Fee, _ market: FeeMarket) -> Bool {
        switch (fee, initial(market)) {
        case (.dynamic(let tip, let cap), .dynamic(let tipNow, _)):
            let base = market.baseFee ?? 0
            return cap < base || min(tip, cap - base) < tipNow
        case (let old, .legacy(let priceNow)), (let old, .dynamic(_, let priceNow)):
            return old.cap < priceNow
        }
    }

    /// The chain asks for more than the ceiling allows.
    func isShort(_ market: FeeMarket) -> Bool {
        (market.baseFee.map { $0 + minimumTip } ?? market.gasPrice) > ceiling
    }

    private func raised(_ amount: BigUInt) -> BigUInt { amount + amount / 8 + 1 }

    private func isEnough(_ new: BigUInt, _ old: BigUInt) -> Bool { new * 10 >= old * 11 && new > old }
}

/// What the chain asks for a unit of gas now, in wei.
public struct FeeMarket: Hashable, Sendable {
    /// Of the next block, about; nil before EIP-1559.
    public var baseFee: BigUInt?
    public var tip: BigUInt
    /// For legacy transactions.
    public var gasPrice: BigUInt

    public init(baseFee: BigUInt?, tip: BigUInt, gasPrice: BigUInt) {
        self.baseFee = baseFee
        self.tip = tip
        self.gasPrice = gasPrice
    }
}
