// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials

@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let text = text(bytes, count) else { return 0 }
    guard let result = try? LinpackResult.classic(text) else { return 0 }
    hold(result.gigaflops > 0 && result.gigaflops.isFinite && result.order > 0, text.debugDescription)
    // Its residual has passed: without these lines there is no result.
    let lines = OutputLines(text).filter { !$0.contains("PASSED") }
    hold((try? LinpackResult.classic(lines.joined(separator: "\n"))) == nil, text.debugDescription)
    return 0
}
