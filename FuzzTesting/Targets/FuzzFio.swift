// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials

@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let text = text(bytes, count) else { return 0 }
    guard let result = try? StorageResult(fio: text) else { return 0 }
    let all = [result.read.bandwidth, result.read.iops, result.write.bandwidth, result.write.iops]
    hold(all.allSatisfy { $0 > 0 && $0.isFinite }, text.debugDescription)
    // Notices come before what it found.
    hold((try? StorageResult(fio: "note: both iodepth >= 1\n" + text)) == result, text.debugDescription)
    return 0
}
