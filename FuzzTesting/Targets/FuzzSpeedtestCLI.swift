// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials

@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let text = text(bytes, count) else { return 0 }
    // Speeds are numbers of the input; where both are, what is read is what was written.
    let numbers = text.split(separator: "\n").compactMap { Double($0) }.filter { $0.isFinite }
    if numbers.count >= 2 {
        let document = "{\"download\": \(numbers[0]), \"upload\": \(numbers[1])}"
        if let result = try? InternetResult(document) {
            hold(result.download == numbers[0] && result.upload == numbers[1], document)
        } else {
            hold(numbers[0] <= 0 || numbers[1] <= 0, document)
        }
    }
    guard let result = try? InternetResult(text) else { return 0 }
    hold(
        result.download > 0 && result.download.isFinite && result.upload > 0 && result.upload.isFinite,
        text.debugDescription)
    return 0
}
