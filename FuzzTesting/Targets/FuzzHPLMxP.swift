// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials

@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let text = text(bytes, count) else { return 0 }
    guard let result = try? LinpackResult.mixedPrecision(text) else { return 0 }
    hold(result.gigaflops > 0 && result.gigaflops.isFinite && result.order > 0, text.debugDescription)
    // What the MPI library says after it does not matter.
    hold(
        (try? LinpackResult.mixedPrecision(text + "\nsrun: error: n1: task 0: Killed\n")) == result,
        text.debugDescription)
    return 0
}
