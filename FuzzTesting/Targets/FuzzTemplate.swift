// SPDX-License-Identifier: GPL-3.0-or-later

/// What is formatted without a field is the text with single braces; a value's own braces mean nothing.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let text = text(bytes, count) else { return 0 }
    let bytes = text.utf8.flatMap { $0 == 0x7b || $0 == 0x7d ? [$0, $0] : [$0] }
    let braces = String(decoding: bytes, as: UTF8.self)
    hold((try? FormatTemplate.format(braces, name: "P", value: "x")) == text, "doubled braces are not single ones")
    let one = try? FormatTemplate.format(text, name: "P", value: "{}")
    let other = try? FormatTemplate.format(text, name: "P", value: "{P}{")
    hold((one == nil) == (other == nil), "the value decides whether it is a template")
    return 0
}
