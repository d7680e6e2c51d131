// SPDX-License-Identifier: GPL-3.0-or-later

internal import BigInt

/// Encoding and decoding of argument lists.
public enum ABI {
    // MARK: encoding

    public static func encode(_ values: [ABIValue], as types: [ABIType]) throws(ABIError) -> [UInt8] {
        guard values.count == types.count else {
            throw ABIError(description: "ABI: \(values.count) values for \(types.count) types")
        }
        var head: [UInt8] = []
        var tail: [UInt8] = []
        let headSize = types.reduce(0) { $0 + $1.headSize }
        for (value, type) in zip(values, types) {
            let encoded = try encode(value, as: type)
            if type.isDynamic {
                head += word(headSize + tail.count)
                tail += encoded
            } else {
                head += encoded
            }
        }
        return head + tail
    }

    private static func encode(_ value: ABIValue, as type: ABIType) throws(ABIError) -> [UInt8] {
        switch (type, value) {
        case (.uint(let bits), .uint(let number)):
            guard number.bitWidth <= bits, let word = number.word else { throw unfit(value, type) }
            return word
        case (.int(let bits), .int(let number)):
            return try signed(number, bits: bits, type)
        case (.address, .address(let address)):
            return [UInt8](repeating: 0, count: 12) + address.bytes
        case (.bool, .bool(let bool)):
            return word(bool ? 1 : 0)
        case (.fixedBytes(let count), .fixedBytes(let bytes)):
            guard bytes.count == count else { throw unfit(value, type) }
            return padded(bytes)
        case (.bytes, .bytes(let bytes)):
            return word(bytes.count) + padded(bytes)
        case (.string, .string(let string)):
            return word(string.utf8.count) + padded(Array(string.utf8))
        case (.array(let element), .array(let values)):
            return word(values.count) + (try encode(values, as: Array(repeating: element, count: values.count)))
        case (.fixedArray(let element, let count), .array(let values)):
            guard values.count == count else { throw unfit(value, type) }
            return try encode(values, as: Array(repeating: element, count: count))
        case (.tuple(let types), .tuple(let values)):
            return try encode(values, as: types)
        default:
            throw unfit(value, type)
        }
    }

    private static func signed(_ number: BigInt, bits: Int, _ type: ABIType) throws(ABIError) -> [UInt8] {
        let bound = BigInt(1) << (bits - 1)
        guard number >= -bound, number < bound else { throw unfit(.int(number), type) }
        let wrapped = number.sign == .minus ? BigUInt((BigInt(1) << 256) + number) : number.magnitude
        return wrapped.word ?? []
    }

    private static func unfit(_ value: ABIValue, _ type: ABIType) -> ABIError {
        ABIError(description: "ABI: \(value) is no \(type)")
    }

    private static func word(_ number: Int) -> [UInt8] {
        [UInt8](repeating: 0, count: 24) + withUnsafeBytes(of: UInt64(number).bigEndian, Array.init)
    }

    private static func padded(_ bytes: [UInt8]) -> [UInt8] {
        bytes + [UInt8](repeating: 0, count: (32 - bytes.count % 32) % 32)
    }

    // MARK: decoding

    /// Reads what a contract or a node gives. Numbers must fit their type; bytes behind the last value are let pass, as
    /// Solidity does. Memory and time are bounded by the size of `data`, whatever its offsets and counts say.
    public static func decode(_ data: [UInt8], as types: [ABIType]) throws(ABIError) -> [ABIValue] {
        var reader = Reader(data: data, budget: data.count / 32 + types.count + 64)
        return try reader.list(types, at: 0)
    }

    private struct Reader {
        let data: [UInt8]
        /// Values, and words of bytes, that may still be made: a right encoding never uses a word twice.
        var budget: Int

        mutating func list(_ types: [ABIType], at base: Int) throws(ABIError) -> [ABIValue] {
            var values: [ABIValue] = []
            var head = base
            for type in types {
                values.append(try value(type, head: head, base: base))
                head += type.headSize
            }
            return values
        }

        /// The value that stands at `head`, or at the offset given there, counted from `base`.
        private mutating func value(_ type: ABIType, head: Int, base: Int) throws(ABIError) -> ABIValue {
            try spend(1)
            guard type.isDynamic else { return try value(type, at: head) }
            let offset = try number(at: head)
            guard offset <= data.count - base else { throw ABIError(description: "ABI: an offset beyond the end") }
            return try value(type, at: base + offset)
        }

        private mutating func value(_ type: ABIType, at place: Int) throws(ABIError) -> ABIValue {
            switch type {
            case .uint(let bits):
                let value = BigUInt(wordData: try word(at: place))
                guard value.bitWidth <= bits else { throw ABIError(description: "ABI: a number too large for \(type)") }
                return .uint(value)
            case .int(let bits):
                let word = BigUInt(wordData: try word(at: place))
                let value = word.bitWidth == 256 ? BigInt(word) - (BigInt(1) << 256) : BigInt(word)
                let bound = BigInt(1) << (bits - 1)
                guard value >= -bound, value < bound else {
                    throw ABIError(description: "ABI: a number too large for \(type)")
                }
                return .int(value)
            case .address:
                let word = try word(at: place)
                guard word.prefix(12).allSatisfy({ $0 == 0 }) else { throw ABIError(description: "ABI: no address") }
                return .address(Address(unchecked: Array(word.suffix(20))))
            case .bool:
                let word = try word(at: place)
                guard word.dropLast().allSatisfy({ $0 == 0 }), let last = word.last, last <= 1 else {
                    throw ABIError(description: "ABI: no bool")
                }
                return .bool(last == 1)
            case .fixedBytes(let count):
                return .fixedBytes(Array(try word(at: place).prefix(count)))
            case .bytes:
                return .bytes(try bytes(at: place))
            case .string:
                return .string(String(decoding: try bytes(at: place), as: UTF8.self))
            case .array(let element):
                return .array(try elements(element, try number(at: place), at: place + 32))
            case .fixedArray(let element, let count):
                return .array(try elements(element, count, at: place))
            case .tuple(let types):
                return .tuple(try list(types, at: place))
            }
        }

        private mutating func elements(_ element: ABIType, _ count: Int, at base: Int) throws(ABIError) -> [ABIValue] {
            guard count <= budget else { throw ABIError(description: "ABI: more elements than there is data") }
            var values: [ABIValue] = []
            values.reserveCapacity(count)
            for index in 0..<count {
                values.append(try value(element, head: base + index * element.headSize, base: base))
            }
            return values
        }

        private mutating func bytes(at place: Int) throws(ABIError) -> [UInt8] {
            let count = try number(at: place)
            guard count <= data.count - place - 32 else { throw ABIError(description: "ABI: bytes beyond the end") }
            try spend((count + 31) / 32)
            return Array(data[place + 32..<place + 32 + count])
        }

        private func word(at place: Int) throws(ABIError) -> ArraySlice<UInt8> {
            guard place >= 0, place <= data.count - 32 else { throw ABIError(description: "ABI: ends too early") }
            return data[place..<place + 32]
        }

        /// An offset or a count.
        private func number(at place: Int) throws(ABIError) -> Int {
            let word = try word(at: place)
            guard word.prefix(26).allSatisfy({ $0 == 0 }) else {
                throw ABIError(description: "ABI: an offset or a count beyond the end")
            }
            return word.suffix(6).reduce(0) { $0 << 8 | Int($1) }
        }

        private mutating func spend(_ amount: Int) throws(ABIError) {
            budget -= amount
            guard budget >= 0 else { throw ABIError(description: "ABI: more values than there is data") }
        }
    }
}

extension BigUInt {
    init(wordData: some Sequence<UInt8>) {
        self = 0
        var words: [Word] = []
        var word: Word = 0
        for (index, byte) in Array(wordData).reversed().enumerated() {
            word |= Word(byte) << (8 * Word(index % 8))
            if index % 8 == 7 {
                words.append(word)
                word = 0
            }
        }
        if word != 0 { words.append(word) }
        self.init(words: words)
    }
}
