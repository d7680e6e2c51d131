// SPDX-License-Identifier: GPL-3.0-or-later

import BigInt
import Ethereum
import Testing

@Suite("Amounts as people read them")
struct WeiTests {
    static let amounts: [(wei: String, text: String, exact: String)] = [
        ("0", "0", "0"), ("1000000000000000000", "1", "1"), ("8333000000000000000", "8.333", "8.333"),
        ("100000000000000000", "0.1", "0.1"), ("1000000000000", "0.000001", "0.000001"),
        ("80000000000000", "0.00008", "0.00008"),
        ("999999999999", "less than 0.000001", "0.000000999999999999"),
        ("1", "less than 0.000001", "0.000000000000000001"), ("5000000000000000001", "5", "5.000000000000000001"),
        ("1999999999999999999", "1.999999", "1.999999999999999999"), ("120000000000000000000", "120", "120"),
        (
            "115792089237316195423570985008687907853269984665640564039457584007913129639935",
            "115792089237316195423570985008687907853269984665640564039457.584007",
            "115792089237316195423570985008687907853269984665640564039457.584007913129639935"
        ),
    ]

    @Test("wei as coins or credits", arguments: amounts.indices)
    func text(_ index: Int) throws {
        let row = Self.amounts[index]
        let wei = try #require(BigUInt(row.wei))
        #expect(Wei.text(wei) == row.text)
        #expect(Wei.exact(wei) == row.exact)
    }

    @Test(
        "what gas costs",
        arguments: [
            ("500000000000", "500 gwei"), ("1", "0.000000001 gwei"), ("0", "0 gwei"), ("1500000000", "1.5 gwei"),
        ])
    func gas(_ wei: String, _ text: String) throws {
        #expect(Wei.gwei(try #require(BigUInt(wei))) == text)
    }
}
