// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials

@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let text = text(bytes, count) else { return 0 }
    guard let result = try? StorageResult(ior: text) else { return 0 }
    let all = [result.read.bandwidth, result.read.iops, result.write.bandwidth, result.write.iops]
    hold(all.allSatisfy { $0 > 0 && $0.isFinite }, text.debugDescription)
    // A blank line, and another kind of access.
    hold((try? StorageResult(ior: text + "\n\nremove,1,1\n")) == result, text.debugDescription)
    return 0
}
