// SPDX-License-Identifier: GPL-3.0-or-later

import BigInt
import Testing

@testable import Ethereum

@Suite("Encodings")
struct EncodingTests {
    @Test(
        "Keccak-256 around the block size",
        arguments: [
            (0, "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
            (1, "bc36789e7a1e281436464229828f817d6612f7b477d66591ff96a9e064bcc98a"),
            (135, "cbdfd9dee5faad3818d6b06f95a219fd290b0e1706f6a82e5a595b9ce9faca62"),
            (136, "7ce759f1ab7f9ce437719970c26b0a66ff11fe3e38e17df89cf5d29c7d7f807e"),
            (137, "ac73d4fae68b8453f764007c1a20ce95994187861f0c3227a3a8e99a73a3b1db"),
            (271, "27eceb59ebc3dc8a04a5b135be641591a7278540e4556a2ba9f408194e666ec3"),
            (272, "8e2476e65823b24d96ebe239f2c1534cdf763e689e2410c3b1cb0c74e6177bfc"),
            (1000, "af692982e84a5a9688359025660a7857cd28ee7c8d867cfa1677baf2e6d1f63b"),
        ])
    func keccak(_ count: Int, _ expected: String) {
        #expect(Keccak256.hash((0..<count).map { UInt8($0 % 251) }).description == "0x" + expected)
    }

    @Test(
        "addresses carry EIP-55's checksum",
        arguments: [
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB", "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
            Vectors.contract,
        ])
    func checksum(_ text: String) {
        #expect(Address(hex: text)?.checksummed == text)
        #expect(Address(hex: text.lowercased())?.checksummed == text)
        #expect(Address(hex: text.prefix(41) + (text.last == "d" ? "D" : "d")) == nil)
    }

    @Test(
        "no address",
        arguments: [
            "", "0x", "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0x12", "0x" + String(repeating: "g", count: 40),
        ])
    func noAddress(_ text: String) {
        #expect(Address(hex: text) == nil)
    }

    @Test(
        "RLP of the Yellow Paper",
        arguments: [
            (RLP.bytes(Array("dog".utf8)), "83646f67"),
            (.list([.bytes(Array("cat".utf8)), .bytes(Array("dog".utf8))]), "c88363617483646f67"),
            (.bytes([]), "80"), (.list([]), "c0"), (.number(UInt64(0)), "80"), (.bytes([0]), "00"),
            (.bytes([15]), "0f"),
            (.number(UInt64(1024)), "820400"), (.list([.list([]), .list([.list([])])]), "c3c0c1c0"),
            (.bytes([UInt8](repeating: 97, count: 56)), "b838" + String(repeating: "61", count: 56)),
        ])
    func rlp(_ item: RLP, _ hex: String) throws {
        #expect(Hex.encode(item.encoded) == hex)
        #expect(try RLP(decoding: item.encoded) == item)
    }

    @Test(
        "RLP that is not the one encoding of something",
        arguments: [
            "", "81", "8100", "b800", "b837" + String(repeating: "61", count: 55), "b90038", "c1", "c0c0",
            "bfffffffffffffffff",
            "ffffffffffffffffff", "f90001", String(repeating: "c1", count: 30) + "c0",
        ])
    func badRLP(_ hex: String) {
        #expect(throws: RLP.Malformed.self) { try RLP(decoding: Hex.decode(hex) ?? []) }
    }

    @Test("any RLP is read back as it was written")
    func rlpRoundTrip() throws {
        var random = SeededRandom(1)
        for _ in 0..<500 {
            let item = randomItem(&random, depth: 0)
            #expect(try RLP(decoding: item.encoded) == item)
        }
    }

    private func randomItem(_ random: inout SeededRandom, depth: Int) -> RLP {
        if depth < 4, Bool.random(using: &random) {
            return .list((0..<Int.random(in: 0..<5, using: &random)).map { _ in randomItem(&random, depth: depth + 1) })
        }
        let count = [0, 1, 2, 55, 56, 300].randomElement(using: &random) ?? 0
        return .bytes((0..<count).map { _ in UInt8.random(in: 0...255, using: &random) })
    }

    @Test("quantities")
    func quantities() {
        #expect(Quantity.encode(BigUInt(0)) == "0x0")
        #expect(Quantity.encode(UInt64(1024)) == "0x400")
        #expect(Quantity.decode("0x0400") == 1024)
        #expect(Quantity.decode64("0xffffffffffffffff") == .max)
        for bad in ["", "0x", "400", "0x-1", "0xg", "0x1ffffffffffffffff", "0x" + String(repeating: "f", count: 65)] {
            #expect(Quantity.decode64(bad) == nil)
        }
    }
}

/// The same numbers each time: splitmix64.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
