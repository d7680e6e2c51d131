// SPDX-License-Identifier: GPL-3.0-or-later

@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let text = text(bytes, count) else { return 0 }
    let tres = TRES(text)
    for (name, amount) in tres.entries {
        hold(!name.isEmpty, "an empty name in \(text.debugDescription)")
        // Whole numbers are read as they are printed.
        if name != "mem" && !name.hasPrefix("bb/") {
            hold(TRES("\(name)=\(amount)")[name] == amount, "\(name)=\(amount)")
        }
    }
    _ = (tres.cpus, tres.memory, tres.nodes, tres.billing, tres.gpus)
    return 0
}
