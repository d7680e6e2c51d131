// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials

@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let text = text(bytes, count) else { return 0 }
    guard let result = try? OSUResult(text) else { return 0 }
    hold(result.last > 0 && result.last.isFinite && result.rows.count <= 1000, text.debugDescription)
    hold(zip(result.rows, result.rows.dropFirst()).allSatisfy { $0.size < $1.size }, text.debugDescription)
    return 0
}
