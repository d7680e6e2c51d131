// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials

@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let text = text(bytes, count),
        let line = try? JSONDecoder().decode(AccountingLine.self, from: Data(text.utf8))
    else { return 0 }
    if case .job(let job) = line {
        let data = try? JSONEncoder().encode(job)
        let again = data.flatMap { try? JSONDecoder().decode(AccountingJob.self, from: $0) }
        hold(again == job, "a row changed on its way: \(text.debugDescription)")
        _ = (job.state.description, job.exit.description)
    }
    return 0
}
