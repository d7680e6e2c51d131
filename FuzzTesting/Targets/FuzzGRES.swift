// SPDX-License-Identifier: GPL-3.0-or-later

@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let text = text(bytes, count) else { return 0 }
    if let numbers = IndexRange.expand(text) {
        hold(IndexRange.expand(IndexRange.compress(numbers)) == numbers, "indices \(text.debugDescription)")
    }
    guard let list = GRES.list(text) else { return 0 }
    for gres in list {
        // What is printed is read back as the same.
        hold(GRES.list(gres.description) == [gres], "\(text.debugDescription) -> \(gres.description.debugDescription)")
    }
    return 0
}
