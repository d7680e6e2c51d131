// SPDX-License-Identifier: GPL-3.0-or-later

private let signatures = [
    "f(uint256)", "f(bytes)", "f(string,int8)", "f(address[],bool[3])",
    "f((uint64,uint64[],uint64[],uint64[]),(string,string)[])",
    "f(uint256[][][])", "f((uint64,string,(string,string)[],((string,string),bytes2)[])[])", "f(())", "f(()[])",
]

/// The first byte chooses the types. What is read can be written, and read again as the same values.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    guard let first = input.first, let signature = try? ABISignature(signatures[Int(first) % signatures.count]) else {
        return 0
    }
    let types = signature.parameters.map(\.type)
    if let values = try? ABI.decode(Array(input.dropFirst()), as: types) {
        guard let written = try? ABI.encode(values, as: types) else { fatalError("what was read cannot be written") }
        guard let again = try? ABI.decode(written, as: types) else { fatalError("what was written cannot be read") }
        hold(again == values, "other values than were written")
    }
    _ = ABIErrorType.describe(Array(input.dropFirst()))
    if let text = text(bytes, count), let parsed = try? ABISignature(text) {
        hold((try? ABISignature(parsed.canonical))?.canonical == parsed.canonical, "another signature when read again")
    }
    return 0
}
