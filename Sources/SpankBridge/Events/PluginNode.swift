// SPDX-License-Identifier: GPL-3.0-or-later

/// What a node says of itself when its slurmd starts.
public struct PluginNode: Sendable, Hashable {
    /// As slurmctld names it.
    public var node: String
    /// Unix microseconds.
    public var observed: Int64?
    /// Milliseconds for which the node kept it, as nobody took it; nil: it was said at once.
    public var waited: Int64?
    /// Nothing of a job. nil: its kernel does not say.
    public var hardware: PluginPlacement?

    init(_ frame: Frame) throws(FrameRefusal.Incomplete) {
        guard frame.number(.source) == UInt64(PluginEvent.Source.spank.rawValue) else {
            throw .init(what: "that a node's plugin sent it")
        }
        guard let name = frame[.node], !name.isTruncated, !name.value.isEmpty, let text = frame.text(.node) else {
            throw .init(what: "which node it is")
        }
        node = text
        observed = frame.time(.observed)
        waited = frame.time(.waited)
        hardware = PluginPlacement(frame)
        hardware?.cores = nil
        hardware?.gpus = nil
        if hardware?.hardware == nil, hardware?.gpuAddresses == nil { hardware = nil }
    }
}
