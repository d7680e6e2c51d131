// SPDX-License-Identifier: GPL-3.0-or-later

/// The first four bytes as a number, and all of them as text.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = UnsafeBufferPointer(start: bytes, count: count)
    let raw = input.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    let state = JobState(rawValue: raw)
    hold(!state.description.isEmpty, "job state")
    if let base = state.base { hold(JobState(base, state.flags) == state, "job state \(raw)") }
    if state.hasEnded { hold(!state.flags.contains(.requeue), "ended though requeued: \(raw)") }
    let node = NodeState(rawValue: raw)
    hold(!node.description.isEmpty, "node state")
    if node.isResponding { hold(!node.flags.contains(.notResponding), "responds though it does not: \(raw)") }
    let exit = ExitStatus(raw: raw)
    hold(exit.signal == 0 || exit.code == 0, "exit status \(raw): \(exit)")
    hold(!JobReason(number: raw).description.isEmpty, "reason")
    guard let text = text(bytes, count) else { return 0 }
    if let id = JobID(text) { hold(JobID(id.description) == id, "job id \(text.debugDescription)") }
    if let limit = TimeLimit(text) { hold(TimeLimit(limit.description) == limit, "time \(text.debugDescription)") }
    return 0
}
