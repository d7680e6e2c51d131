// SPDX-License-Identifier: GPL-3.0-or-later

/// Nothing that is refused is an option, and no option has an empty value.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let text = text(bytes, count), let list = try? DeviceList(text) else { return 0 }
    for (option, value) in list.options {
        hold(SbatchOption.refused[option.rawValue] == nil && !value.isEmpty, "an option that is refused")
    }
    hold(list.overlay ?? 0 >= 0 && list.partition != "", "a value that is none")
    return 0
}
