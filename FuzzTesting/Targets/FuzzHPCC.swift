// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials

@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let text = text(bytes, count) else { return 0 }
    guard let result = try? HPCCResult(text) else { return 0 }
    let all = [result.gigaflops, result.pingPongLatency, result.pingPongBandwidth, result.ringLatency]
    hold(all.allSatisfy { $0.map { $0 > 0 && $0.isFinite } ?? true }, text.debugDescription)
    hold(result.processes.map { $0 >= 0 } ?? true, text.debugDescription)
    return 0
}
