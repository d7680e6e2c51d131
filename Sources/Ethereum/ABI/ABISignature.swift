// SPDX-License-Identifier: GPL-3.0-or-later

/// `name(type,type name,type indexed name)` as Solidity and the contract's documents write it.
struct ABISignature {
    struct Parameter: Hashable, Sendable {
        var type: ABIType
        var indexed: Bool
    }

    var name: String
    var parameters: [Parameter]

    var canonical: String { name + "(" + parameters.map(\.type.description).joined(separator: ",") + ")" }

    init(_ text: String) throws(ABIError) {
        guard let open = text.firstIndex(of: "("), text.last == ")" else {
            throw ABIError(description: "\"\(text)\" is no signature such as transfer(address,uint256)")
        }
        name = String(text[..<open])
        guard name.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" }) else {
            throw ABIError(description: "\"\(name)\" is no name of a function")
        }
        parameters = []
        for part in try Self.split(text[text.index(after: open)...].dropLast()) {
            parameters.append(try Self.parameter(part, depth: 0))
        }
    }

    /// At the commas that stand in no brackets.
    private static func split(_ text: Substring) throws(ABIError) -> [Substring] {
        if text.allSatisfy(\.isWhitespace) { return [] }
        var parts: [Substring] = []
        var depth = 0
        var start = text.startIndex
        for index in text.indices {
            switch text[index] {
            case "(": depth += 1
            case ")": depth -= 1
            case "," where depth == 0:
                parts.append(text[start..<index])
                start = text.index(after: index)
            default: break
            }
            guard depth >= 0 else { throw ABIError(description: "\"\(text)\" has a bracket too many") }
        }
        guard depth == 0 else { throw ABIError(description: "\"\(text)\" has a bracket too few") }
        return parts + [text[start...]]
    }

    private static func parameter(_ text: Substring, depth: Int) throws(ABIError) -> Parameter {
        let trimmed = text.drop(while: \.isWhitespace)
        // The type ends at the first space outside brackets.
        var nesting = 0
        var end = trimmed.startIndex
        while end < trimmed.endIndex, nesting > 0 || !trimmed[end].isWhitespace {
            if trimmed[end] == "(" { nesting += 1 }
            if trimmed[end] == ")" { nesting -= 1 }
            end = trimmed.index(after: end)
        }
        let words = trimmed[end...].split(whereSeparator: \.isWhitespace)
        return Parameter(type: try type(trimmed[..<end], depth: depth), indexed: words.first == "indexed")
    }

    private static func type(_ text: Substring, depth: Int) throws(ABIError) -> ABIType {
        guard depth <= 8 else { throw ABIError(description: "\"\(text)\" is nested too deeply") }
        if text.last == "]", let open = text.lastIndex(of: "[") {
            let element = try type(text[..<open], depth: depth + 1)
            let count = text[text.index(after: open)...].dropLast()
            if count.isEmpty { return .array(element) }
            guard let number = Int(count), (1...65_536).contains(number) else { throw unknown(text) }
            return .fixedArray(element, number)
        }
        if text.first == "(", text.last == ")" {
            var members: [ABIType] = []
            for part in try split(text.dropFirst().dropLast()) {
                members.append(try parameter(part, depth: depth + 1).type)
            }
            return .tuple(members)
        }
        return try elementary(text)
    }

    private static func elementary(_ text: Substring) throws(ABIError) -> ABIType {
        func number(after prefix: String) -> Int? {
            text.hasPrefix(prefix) ? Int(text.dropFirst(prefix.count)) : nil
        }
        switch text {
        case "address": return .address
        case "bool": return .bool
        case "bytes": return .bytes
        case "string": return .string
        case "uint": return .uint(256)
        case "int": return .int(256)
        default: break
        }
        if let bits = number(after: "uint"), (8...256).contains(bits), bits % 8 == 0 { return .uint(bits) }
        if let bits = number(after: "int"), (8...256).contains(bits), bits % 8 == 0 { return .int(bits) }
        if let count = number(after: "bytes"), (1...32).contains(count) { return .fixedBytes(count) }
        throw unknown(text)
    }

    private static func unknown(_ text: Substring) -> ABIError {
        ABIError(description: "\"\(text)\" is no type of the ABI")
    }
}
