// SPDX-License-Identifier: GPL-3.0-or-later

import BigInt
import Testing

@testable import Ethereum

@Suite("ABI")
struct ABITests {
    @Test("calldata of a status")
    func status() throws {
        let function = try ABIFunction(
            "providerSetJobStatus(bytes32 _jobId, uint8 _next, uint64 _minutes, string _lastError, int64 _exitCode)")
        #expect(Hex.encode(function.selector) == "e1c0fdd4")
        let call = try function.call([
            .fixedBytes([UInt8](repeating: 0, count: 31) + [1]), .uint(5), .uint(10), .string("boom"), .int(-7),
        ])
        #expect(Hex.data(call) == Vectors.statusCalldata)
        #expect(try function.arguments(of: call)?[3] == .string("boom"))
    }

    @Test("calldata of a registration: structs, arrays, arrays of structs of strings")
    func register() throws {
        let function = try ABIFunction(
            "register((uint64,uint64[],uint64[],uint64[]),(uint256,uint256,uint256),(string,string)[])")
        func numbers(_ values: UInt64...) -> ABIValue { .array(values.map { .uint64($0) }) }
        let call = try function.call([
            .tuple([.uint(2), numbers(0, 1), numbers(16, 16), numbers(128_000, 64_000)]),
            .tuple([.uint(8_500_000_000_000_000_000), .uint(950_000_000_000_000_000), .uint(80_000_000_000_000)]),
            .array([
                .tuple([.string("os"), .string("linux")]), .tuple([.string("compute.gflops"), .string("123.45")]),
            ]),
        ])
        #expect(Hex.data(call) == Vectors.registerCalldata)
        #expect(Keccak256.hash(call).description == Vectors.registerHash)
    }

    @Test("an event with a struct of everything")
    func claim() throws {
        let definition = "(uint64,uint64,uint64,uint64,string,uint8,(string,string)[],((string,string),bytes2)[])"
        let event = try ABIEvent("ClaimJobEvent(address,address,bytes32,uint64,\(definition))")
        let data = try #require(Hex.decode(Vectors.claimEventData))
        let values = try #require(try event.decode(topics: [event.topic], data: data))
        #expect(values[0].address == Address(hex: "0x" + String(repeating: "1", count: 40)))
        #expect(values[3].uint64 == 59)
        let job = try #require(values[4].members)
        #expect(job[4].string == "hash123")
        #expect(
            job[7].members?[0] == .tuple([.tuple([.string("zone"), .string("fr")]), .fixedBytes(Array("==".utf8))]))
        #expect(try event.decode(topics: [.zero], data: data) == nil)
    }

    @Test("nested types, as another library encodes them")
    func nested() throws {
        let types = try ABISignature("f((uint256,string[],(bytes2,int64)[]),bytes,int8[2])").parameters.map(\.type)
        let values: [ABIValue] = [
            .tuple([
                .uint(BigUInt(1) << 255), .array([.string("a"), .string(""), .string("ccc")]),
                .array([
                    .tuple([.fixedBytes(Array("in".utf8)), .int(-5)]),
                    .tuple([.fixedBytes(Array("<=".utf8)), .int(9)]),
                ]),
            ]), .bytes([UInt8](repeating: 1, count: 33)), .array([.int(-128), .int(127)]),
        ]
        #expect(Hex.data(try ABI.encode(values, as: types)) == "0x" + Vectors.nested)
        #expect(try ABI.decode(Hex.decode(Vectors.nested) ?? [], as: types) == values)
    }

    @Test("any value is read back as it was written")
    func roundTrip() throws {
        var random = SeededRandom(7)
        for _ in 0..<400 {
            let type = Self.type(&random, depth: 0)
            let value = Self.value(type, &random)
            let bytes = try ABI.encode([value], as: [type])
            #expect(try ABI.decode(bytes, as: [type]) == [value])
            #expect(try ABISignature("f(\(type))").parameters.map(\.type) == [type])
        }
    }

    private static func type(_ random: inout SeededRandom, depth: Int) -> ABIType {
        switch Int.random(in: 0..<(depth < 3 ? 10 : 7), using: &random) {
        case 0: .uint(8 * Int.random(in: 1...32, using: &random))
        case 1: .int(8 * Int.random(in: 1...32, using: &random))
        case 2: .address
        case 3: .bool
        case 4: .fixedBytes(Int.random(in: 1...32, using: &random))
        case 5: .bytes
        case 6: .string
        case 7: .array(type(&random, depth: depth + 1))
        case 8: .fixedArray(type(&random, depth: depth + 1), Int.random(in: 1...3, using: &random))
        default: .tuple((0..<Int.random(in: 1...4, using: &random)).map { _ in type(&random, depth: depth + 1) })
        }
    }

    private static func value(_ type: ABIType, _ random: inout SeededRandom) -> ABIValue {
        func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) } }
        switch type {
        case .uint(let bits): return .uint(BigUInt(wordData: bytes(32)) >> (256 - bits))
        case .int(let bits):
            let magnitude = BigInt(BigUInt(wordData: bytes(32)) >> (257 - bits))
            return .int(Bool.random(using: &random) ? magnitude : -magnitude - 1)
        case .address: return .address(Address(unchecked: bytes(20)))
        case .bool: return .bool(Bool.random(using: &random))
        case .fixedBytes(let count): return .fixedBytes(bytes(count))
        case .bytes: return .bytes(bytes(Int.random(in: 0..<70, using: &random)))
        case .string: return .string(String(repeating: "é", count: Int.random(in: 0..<40, using: &random)))
        case .array(let element):
            return .array((0..<Int.random(in: 0..<4, using: &random)).map { _ in value(element, &random) })
        case .fixedArray(let element, let count): return .array((0..<count).map { _ in value(element, &random) })
        case .tuple(let types): return .tuple(types.map { value($0, &random) })
        }
    }

    @Test("values that do not fit their type")
    func unfit() {
        for (value, type) in [
            (ABIValue.uint(256), ABIType.uint(8)), (.int(128), .int(8)), (.int(-129), .int(8)),
            (.fixedBytes([1]), .fixedBytes(2)),
            (.string("1"), .uint(8)), (.array([.uint(1)]), .fixedArray(.uint(8), 2)),
            (.uint(BigUInt(1) << 256), .uint(256)),
        ] {
            #expect(throws: ABIError.self) { try ABI.encode([value], as: [type]) }
        }
    }

    private static func word(_ number: UInt64) -> [UInt8] {
        [UInt8](repeating: 0, count: 24) + withUnsafeBytes(of: number.bigEndian, Array.init)
    }

    @Test("bytes that are no encoding: an error, within the memory that they take themselves")
    func hostile() {
        let ones = [UInt8](repeating: 0xFF, count: 32)
        for (data, type) in [
            ([], ABIType.uint(8)), (Self.word(256), .uint(8)), (ones, .bool), (ones, .address),
            (Self.word(64), .bytes), (ones, .bytes), (Self.word(32) + ones, .string),
            (Self.word(32) + Self.word(1 << 40), .array(.uint(8))),
            (Self.word(32) + Self.word(1 << 20), .array(.tuple([]))),
            (Self.word(32) + Self.word(33), .bytes),
        ] {
            #expect(throws: ABIError.self) { try ABI.decode(data, as: [type]) }
        }
        // Each element of each array is the same array: 2^n values from n words.
        var bomb = ABIType.uint(256)
        for _ in 0..<12 { bomb = .array(bomb) }
        let data = Self.word(32) + (0..<12).flatMap { _ in Self.word(2) + Self.word(64) + Self.word(64) } + ones
        #expect(throws: ABIError.self) { try ABI.decode(data, as: [bomb]) }
    }

    @Test("a string that is no UTF-8 is repaired, not refused: customers choose it")
    func badUTF8() throws {
        let data = Self.word(32) + Self.word(2) + [0xFF, 0x41] + [UInt8](repeating: 0, count: 30)
        #expect(try ABI.decode(data, as: [.string]) == [.string("\u{FFFD}A")])
    }

    @Test(
        "signatures that cannot be read",
        arguments: [
            "f", "f(", "f(uint)x", "f(uint7)", "f(uint264)", "f(bytes33)", "f((uint)", "f(uint[0])", "f(unit)", "f-g()",
        ])
    func badSignatures(_ text: String) {
        #expect(throws: ABIError.self) { try ABIFunction(text) }
    }

    @Test("indexed arguments, and why a call was reverted")
    func eventsAndErrors() throws {
        let event = try ABIEvent("Transfer(address indexed from, address indexed to, uint256 value)")
        #expect(event.topic.description == "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef")
        let from = Hash32([UInt8](repeating: 0, count: 12) + [UInt8](repeating: 1, count: 20))
        let values = try event.decode(topics: [event.topic, from, from], data: Self.word(9))
        #expect(
            values == [
                .address(Address(unchecked: Array(from.bytes.suffix(20)))),
                .address(Address(unchecked: Array(from.bytes.suffix(20)))), .uint(9),
            ])
        #expect(throws: ABIError.self) { try event.decode(topics: [event.topic], data: []) }

        let text = try ABIFunction("Error(string)").call([.string("no credits")])
        #expect(ABIErrorType.describe(text) == "Error(\"no credits\")")
        #expect(ABIErrorType.describe(try ABIFunction("Panic(uint256)").call([.uint(0x11)])) == "Panic(0x11)")
        let own = try ABIErrorType("InsufficientFunds(uint256,uint256)")
        let data = try ABIFunction("InsufficientFunds(uint256,uint256)").call([.uint(1), .uint(2)])
        #expect(ABIErrorType.describe(data, known: [own]) == "InsufficientFunds(1, 2)")
        #expect(ABIErrorType.describe([1, 2, 3, 4]) == "0x01020304")
        #expect(ABIErrorType.describe([]) == "reverted without a reason")
    }
}
