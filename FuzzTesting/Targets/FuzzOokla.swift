// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials

@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let text = text(bytes, count) else { return 0 }
    guard let result = try? InternetResult(text) else { return 0 }
    hold(
        result.download > 0 && result.download.isFinite && result.upload > 0 && result.upload.isFinite,
        text.debugDescription)
    // A line of its log may come first.
    let log = "{\"type\":\"log\",\"message\":\"x\"}\n"
    let hasRoom = JSONDocuments.all(in: text).count < 99
    hold(!hasRoom || (try? InternetResult(log + text)) == result, text.debugDescription)
    return 0
}
