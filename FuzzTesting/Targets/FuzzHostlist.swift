// SPDX-License-Identifier: GPL-3.0-or-later

@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let text = text(bytes, count), let names = Hostlist.expand(text) else { return 0 }
    hold(names.count <= Hostlist.limit, "more names than allowed")
    // Long lists only take time.
    guard names.count <= 2000 else { return 0 }
    // Literals may hold anything; only what is a name goes round.
    let isName = { (name: String) in !name.isEmpty && !name.utf8.contains { [0x2c, 0x5b, 0x5d].contains($0) } }
    guard names.allSatisfy(isName) else { return 0 }
    let compressed = Hostlist.compress(names)
    hold(Hostlist.expand(compressed) == names, "\(text.debugDescription) -> \(compressed.debugDescription)")
    return 0
}
