// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials

@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let text = text(bytes, count) else { return 0 }
    for result in [try? LinpackResult.mixedPrecision(text), try? LinpackResult.classic(text)] {
        if let result { hold(result.gigaflops > 0 && result.gigaflops.isFinite, "Linpack \(text.debugDescription)") }
    }
    if let result = try? HPCCResult(text) {
        let all = [result.gigaflops, result.pingPongLatency, result.pingPongBandwidth, result.ringLatency]
        hold(all.allSatisfy { $0.map { $0 > 0 && $0.isFinite } ?? true }, "hpcc \(text.debugDescription)")
    }
    if let result = try? OSUResult(text) {
        hold(result.last > 0 && result.rows.count <= 1000, "OSU \(text.debugDescription)")
    }
    for result in [try? StorageResult(ior: text), try? StorageResult(fio: text)] {
        guard let result else { continue }
        let all = [result.read.bandwidth, result.read.iops, result.write.bandwidth, result.write.iops]
        hold(all.allSatisfy { $0 > 0 && $0.isFinite }, "storage \(text.debugDescription)")
    }
    if let result = try? InternetResult(text) {
        hold(result.download > 0 && result.upload > 0, "internet \(text.debugDescription)")
    }
    if let facts = try? MachineFacts(text) {
        hold(!facts.microarchitecture.isEmpty || facts.architecture.isEmpty, "machine \(text.debugDescription)")
    }
    // As the output of a job, and as what is in a block of one.
    let data = Data(text.utf8)
    let block =
        "@sga begin t machine \(data.count) \(POSIXChecksum.of(data))\n@sga . \(data.base64EncodedString())\n@sga end t machine\n"
    hold(data.isEmpty || ResultBlocks(block, token: "t").contents["machine"] == text, "block \(text.debugDescription)")
    for part in BenchmarkPart.allCases {
        for output in [text, block] {
            let result = PartResult(part, output: output, token: "t", units: .documented)
            hold(!result.labels.isEmpty || !result.problems.isEmpty, "\(part) \(text.debugDescription)")
            hold(
                Set(result.labels.keys).isSubset(of: BenchmarkLabels.keys(of: part)), "\(part) \(text.debugDescription)"
            )
        }
    }
    // As a parcel, and as what is in one.
    if let contents = try? ResultParcel.contents(Array(text.utf8)) {
        hold(contents.values.allSatisfy { $0.utf8.count <= 3 * text.utf8.count }, "parcel \(text.debugDescription)")
    }
    let parcel = Array("machine \(data.count)\n\(text)".utf8)
    hold((try? ResultParcel.contents(parcel))?["machine"] == text, "parcel \(text.debugDescription)")
    let label = BenchmarkLabels.cleaned(text)
    hold(BenchmarkLabels.cleaned(label) == label, "label \(text.debugDescription)")
    return 0
}
