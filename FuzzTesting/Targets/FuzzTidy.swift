// SPDX-License-Identifier: GPL-3.0-or-later

@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let text = text(bytes, count) else { return 0 }
    let line = SlurmCall.tidy(text)
    hold(!line.contains(where: \.isNewline), "a line break is left of \(text.debugDescription)")
    hold(line.utf8.count <= 2 * text.utf8.count, "longer than what it was made of")
    return 0
}
